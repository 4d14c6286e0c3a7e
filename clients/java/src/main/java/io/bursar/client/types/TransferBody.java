// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

import io.bursar.client.JsonRequest;
import java.util.Map;

/** The body of a job of the kind `transfer`, in the words of the gateway's page. */
public final class TransferBody extends JsonRequest {
    /** One of `T0`, `T1`. */
    public TransferBody arriveTime(String value) {
        put("arrive_time", value);
        return this;
    }

    public TransferBody nodeId(String value) {
        put("node_id", value);
        return this;
    }

    public TransferBody payeeType(String value) {
        put("payee_type", value);
        return this;
    }

    public TransferBody payerType(String value) {
        put("payer_type", value);
        return this;
    }

    /** An amount in fen. */
    public TransferBody totalAmount(Long value) {
        put("total_amount", value);
        return this;
    }

    /** Optional. */
    public TransferBody extra(Map<String, Object> value) {
        put("extra", value);
        return this;
    }

    /** Optional. */
    public TransferBody payeeMerchantId(String value) {
        put("payee_merchant_id", value);
        return this;
    }

    /** Optional. */
    public TransferBody payeeStoreNo(String value) {
        put("payee_store_no", value);
        return this;
    }

    /** Optional. */
    public TransferBody payerMerchantId(String value) {
        put("payer_merchant_id", value);
        return this;
    }

    /** Optional. */
    public TransferBody payerStoreNo(String value) {
        put("payer_store_no", value);
        return this;
    }

    /** Optional. */
    public TransferBody platformNo(String value) {
        put("platform_no", value);
        return this;
    }
}
