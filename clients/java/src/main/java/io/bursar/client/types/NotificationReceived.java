// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

import io.bursar.client.JsonReply;
import java.util.Map;

/** A gateway's notification as its webhook carries it. */
public final class NotificationReceived extends JsonReply {
    public NotificationReceived(Map<String, Object> json) {
        super(json);
    }

    /** The account's name. */
    public String account() {
        return text("account");
    }

    /** The content as the gateway wrote it; a text where it is no JSON object. */
    public Object content() {
        return any("content");
    }

    /** The SHA-256 of the content as the gateway signed it, in hexadecimal. */
    public String contentSha256() {
        return text("content_sha256");
    }

    /** The notification's number within the account. */
    public Long id() {
        return number("id");
    }

    /** True if its timestamp was old when it arrived first. */
    public Boolean late() {
        return flag("late");
    }

    /** The gateway's method. */
    public String method() {
        return text("method");
    }

    /** The notification's place among the versions of its record. One of `new`, `changed`, `regressed`, `held`. */
    public String outcome() {
        return text("outcome");
    }

    /** The gateway's id of the record. */
    public String recordId() {
        return text("record_id");
    }

    /** The notification's version of its record, in the order of arrival. */
    public Long version() {
        return number("version");
    }

    /** When the gateway wrote it. */
    public String writtenAt() {
        return text("written_at");
    }
}
