package io.bursar.client;

import io.bursar.client.types.JobWebhook;
import io.bursar.client.types.NotificationWebhook;
import io.bursar.client.types.WebhookType;
import java.util.Map;

/** A message that was verified. */
public final class WebhookEvent {
    private final String id;
    private final long sentAt;
    private final Map<String, Object> json;

    WebhookEvent(String id, long sentAt, Map<String, Object> json) {
        this.id = id;
        this.sentAt = sentAt;
        this.json = json;
    }

    /** The same at each delivery: recognise repetitions by it. */
    public String id() {
        return id;
    }

    /** When this delivery was sent, in seconds since 1970. */
    public long sentAt() {
        return sentAt;
    }

    /** One of {@link WebhookType}. */
    public String type() {
        return String.valueOf(json.get("type"));
    }

    /** The message about a job; {@code null} if the type is {@code notification.received}. */
    public JobWebhook job() {
        return isNotification() ? null : new JobWebhook(json);
    }

    /** The gateway's notification; {@code null} for all other types. */
    public NotificationWebhook notification() {
        return isNotification() ? new NotificationWebhook(json) : null;
    }

    /** Every member of the message. */
    public Map<String, Object> json() {
        return json;
    }

    private boolean isNotification() {
        return WebhookType.NOTIFICATION_RECEIVED.equals(type());
    }
}
