// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

import io.bursar.client.JsonRequest;
import java.util.List;

/** The body of a job of the kind `split`, in the words of the gateway's page. */
public final class SplitBody extends JsonRequest {
    /** Optional. */
    public SplitBody mchOrderNo(String value) {
        put("mchOrderNo", value);
        return this;
    }

    /** Optional. */
    public SplitBody paidAt(String value) {
        put("paid_at", value);
        return this;
    }

    /** Optional. */
    public SplitBody payOrderId(String value) {
        put("payOrderId", value);
        return this;
    }

    /** Optional. */
    public SplitBody platformNo(String value) {
        put("platform_no", value);
        return this;
    }

    /** Optional. */
    public SplitBody receivers(List<SplitReceiver> value) {
        put("receivers", value);
        return this;
    }

    /** Optional. */
    public SplitBody useSysAutoDivisionReceivers(Long value) {
        put("useSysAutoDivisionReceivers", value);
        return this;
    }
}
