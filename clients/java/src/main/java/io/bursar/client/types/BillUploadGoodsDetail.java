// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

import io.bursar.client.JsonRequest;

/** A part of a body. */
public final class BillUploadGoodsDetail extends JsonRequest {
    public BillUploadGoodsDetail goodsId(String value) {
        put("goods_id", value);
        return this;
    }

    public BillUploadGoodsDetail goodsName(String value) {
        put("goods_name", value);
        return this;
    }

    /** An amount in fen. */
    public BillUploadGoodsDetail price(Long value) {
        put("price", value);
        return this;
    }

    /** A whole number. */
    public BillUploadGoodsDetail quantity(Long value) {
        put("quantity", value);
        return this;
    }

    /** An amount in fen. */
    public BillUploadGoodsDetail realPrice(Long value) {
        put("real_price", value);
        return this;
    }

    /** Optional. */
    public BillUploadGoodsDetail body(String value) {
        put("body", value);
        return this;
    }

    /** Optional. */
    public BillUploadGoodsDetail goodsCategory(String value) {
        put("goods_category", value);
        return this;
    }

    /** Optional. */
    public BillUploadGoodsDetail goodsFeeAmount(Long value) {
        put("goods_fee_amount", value);
        return this;
    }
}
