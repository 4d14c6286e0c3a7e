// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

import io.bursar.client.JsonReply;
import java.util.Map;

/** The body of one webhook: the same bytes at each attempt. */
public final class JobWebhook extends JsonReply {
    public JobWebhook(Map<String, Object> json) {
        super(json);
    }

    /** The job as it was at that time, or the notification. */
    public Job data() {
        return object("data", Job::new);
    }

    /** The event's number among those of its job or notification, from 1. */
    public Long sequence() {
        return number("sequence");
    }

    /** When the event happened. */
    public String timestamp() {
        return text("timestamp");
    }

    /** The event's type. */
    public String type() {
        return text("type");
    }
}
