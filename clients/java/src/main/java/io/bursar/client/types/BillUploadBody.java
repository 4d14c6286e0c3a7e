// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

import io.bursar.client.JsonRequest;
import java.util.List;
import java.util.Map;

/** The body of a job of the kind `bill_upload`, in the words of the gateway's page. */
public final class BillUploadBody extends JsonRequest {
    public BillUploadBody nodeId(String value) {
        put("node_id", value);
        return this;
    }

    /** An amount in fen. */
    public BillUploadBody orderAmount(Long value) {
        put("order_amount", value);
        return this;
    }

    public BillUploadBody orderId(String value) {
        put("order_id", value);
        return this;
    }

    /** yyyyMMddHHmmss. */
    public BillUploadBody orderTime(String value) {
        put("order_time", value);
        return this;
    }

    public BillUploadBody storeId(String value) {
        put("store_id", value);
        return this;
    }

    /** One of `1`, `2`. */
    public BillUploadBody tradeType(String value) {
        put("trade_type", value);
        return this;
    }

    /** Optional. */
    public BillUploadBody extra(Map<String, Object> value) {
        put("extra", value);
        return this;
    }

    /** Optional. */
    public BillUploadBody feeAmount(Long value) {
        put("fee_amount", value);
        return this;
    }

    /** Optional. */
    public BillUploadBody goodsDetail(List<BillUploadGoodsDetail> value) {
        put("goods_detail", value);
        return this;
    }

    /** Of the page's example; the same as in `extra`. Optional. */
    public BillUploadBody merchantId(Object value) {
        put("merchant_id", value);
        return this;
    }

    /** Optional. */
    public BillUploadBody orgOrderId(String value) {
        put("org_order_id", value);
        return this;
    }

    /** Optional. */
    public BillUploadBody payMerchantId(String value) {
        put("pay_merchant_id", value);
        return this;
    }

    /** Optional. */
    public BillUploadBody payType(String value) {
        put("pay_type", value);
        return this;
    }

    /** Optional. */
    public BillUploadBody platformNo(String value) {
        put("platform_no", value);
        return this;
    }

    /** Of the page's example; the same as in `extra`. Optional. */
    public BillUploadBody remark(Object value) {
        put("remark", value);
        return this;
    }

    /** Optional. */
    public BillUploadBody splitRefundSeq(String value) {
        put("split_refund_seq", value);
        return this;
    }

    /** Optional. */
    public BillUploadBody splitRuleSource(String value) {
        put("split_rule_source", value);
        return this;
    }

    /** Optional. */
    public BillUploadBody tradeNo(String value) {
        put("trade_no", value);
        return this;
    }

    /** Optional. */
    public BillUploadBody userId(String value) {
        put("user_id", value);
        return this;
    }
}
