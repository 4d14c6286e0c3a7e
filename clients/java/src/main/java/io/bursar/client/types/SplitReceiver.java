// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

import io.bursar.client.JsonRequest;

/** A part of a body. */
public final class SplitReceiver extends JsonRequest {
    /** Optional. */
    public SplitReceiver divisionProfit(String value) {
        put("divisionProfit", value);
        return this;
    }

    /** Optional. */
    public SplitReceiver receiverGroupId(Long value) {
        put("receiverGroupId", value);
        return this;
    }

    /** Optional. */
    public SplitReceiver receiverId(Long value) {
        put("receiverId", value);
        return this;
    }
}
