// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

import io.bursar.client.JsonReply;
import java.util.List;
import java.util.Map;

/** One of a batch. */
public final class BatchEntry extends JsonReply {
    public BatchEntry(Map<String, Object> json) {
        super(json);
    }

    /** One of `new`, `existing`, `conflict`, `invalid`, `unreadable`. */
    public String outcome() {
        return text("outcome");
    }

    /** The job's key; `null` where the job has none. */
    public String platformNo() {
        return text("platform_no");
    }

    /** The status that the job would be answered with alone. */
    public Long status() {
        return number("status");
    }

    /** The account's name. It is left out where the job is invalid. */
    public String account() {
        return text("account");
    }

    /** Every field that breaks a rule. */
    public List<FieldError> errors() {
        return objects("errors", FieldError::new);
    }

    /** The key of the job that was submitted first. */
    public String first() {
        return text("first");
    }

    /** The job's kind. It is left out where the job is invalid. */
    public String kind() {
        return text("kind");
    }

    /** The job's state. */
    public String state() {
        return text("state");
    }

    /** Why the stored job cannot be read. */
    public String unreadable() {
        return text("unreadable");
    }
}
