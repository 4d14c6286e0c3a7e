// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

import io.bursar.client.JsonRequest;

/** A new job of the kind bill_upload. */
public final class BillUploadJob extends JsonRequest {
    /** A job. Choose `platformNo` before the first attempt, and keep it. */
    public BillUploadJob(String account, String platformNo, BillUploadBody body) {
        put("account", account);
        put("kind", "bill_upload");
        put("platform_no", platformNo);
        put("body", body);
    }

    /** The URL that the job's webhooks are posted to. Optional. */
    public BillUploadJob callbackUrl(String value) {
        put("callback_url", value);
        return this;
    }

    /** The time before which the job is not sent, RFC 3339 with an offset. Optional. */
    public BillUploadJob runAt(String value) {
        put("run_at", value);
        return this;
    }

    /**
     * The W3C `traceparent` of the producer's span, if the job is to be shown in its trace. Two jobs that differ in
     * nothing else are the same. Optional.
     */
    public BillUploadJob traceparent(String value) {
        put("traceparent", value);
        return this;
    }
}
