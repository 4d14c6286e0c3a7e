// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

/** The types of webhooks. */
public final class WebhookType {
    public static final String JOB_NEEDS_REVIEW = "job.needs_review";
    public static final String JOB_SUCCEEDED = "job.succeeded";
    public static final String JOB_FAILED = "job.failed";
    public static final String JOB_REFUNDED = "job.refunded";
    public static final String JOB_CANCELLED = "job.cancelled";
    public static final String NOTIFICATION_RECEIVED = "notification.received";

    private WebhookType() {}
}
