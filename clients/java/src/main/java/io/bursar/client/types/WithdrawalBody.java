// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

import io.bursar.client.JsonRequest;
import java.util.Map;

/** The body of a job of the kind `withdrawal`, in the words of the gateway's page. */
public final class WithdrawalBody extends JsonRequest {
    /** One of `0`, `1`. */
    public WithdrawalBody accountSubType(String value) {
        put("account_sub_type", value);
        return this;
    }

    public WithdrawalBody ssoNodeId(String value) {
        put("sso_node_id", value);
        return this;
    }

    /** An amount in fen. */
    public WithdrawalBody totalAmount(Long value) {
        put("total_amount", value);
        return this;
    }

    /** Optional. */
    public WithdrawalBody bankCardName(String value) {
        put("bank_card_name", value);
        return this;
    }

    /** Optional. */
    public WithdrawalBody bankCardNo(String value) {
        put("bank_card_no", value);
        return this;
    }

    /** Optional. */
    public WithdrawalBody bankId(String value) {
        put("bank_id", value);
        return this;
    }

    /** Optional. */
    public WithdrawalBody bankName(String value) {
        put("bank_name", value);
        return this;
    }

    /** One of `0`, `1`, `2`. Optional. */
    public WithdrawalBody cardType(String value) {
        put("card_type", value);
        return this;
    }

    /** Optional. */
    public WithdrawalBody extra(Map<String, Object> value) {
        put("extra", value);
        return this;
    }

    /** Optional. */
    public WithdrawalBody merchantId(Long value) {
        put("merchant_id", value);
        return this;
    }

    /** Optional. */
    public WithdrawalBody platformNo(String value) {
        put("platform_no", value);
        return this;
    }

    /** Optional. */
    public WithdrawalBody remark(String value) {
        put("remark", value);
        return this;
    }

    /** Optional. */
    public WithdrawalBody storeNo(String value) {
        put("store_no", value);
        return this;
    }
}
