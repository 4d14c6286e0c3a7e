// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

import io.bursar.client.JsonRequest;

/** A new job of the kind withdrawal. */
public final class WithdrawalJob extends JsonRequest {
    /** A job. Choose `platformNo` before the first attempt, and keep it. */
    public WithdrawalJob(String account, String platformNo, WithdrawalBody body) {
        put("account", account);
        put("kind", "withdrawal");
        put("platform_no", platformNo);
        put("body", body);
    }

    /** The URL that the job's webhooks are posted to. Optional. */
    public WithdrawalJob callbackUrl(String value) {
        put("callback_url", value);
        return this;
    }

    /** The time before which the job is not sent, RFC 3339 with an offset. Optional. */
    public WithdrawalJob runAt(String value) {
        put("run_at", value);
        return this;
    }

    /**
     * The W3C `traceparent` of the producer's span, if the job is to be shown in its trace. Two jobs that differ in
     * nothing else are the same. Optional.
     */
    public WithdrawalJob traceparent(String value) {
        put("traceparent", value);
        return this;
    }
}
