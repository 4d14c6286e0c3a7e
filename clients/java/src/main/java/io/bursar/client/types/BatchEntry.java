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

    /** The body that was meant, where a whole request of the gateway's page was given as the body. */
    public Map<String, Object> correctedBody() {
        return map("corrected_body");
    }

    /** The conflict in a sentence, for people. */
    public String detail() {
        return text("detail");
    }

    /** Every field that breaks a rule. */
    public List<FieldError> errors() {
        return objects("errors", FieldError::new);
    }

    /**
     * The fields of the content that differ from the first job's: names, never values. Empty where another key has the
     * business key, and where only a hash is left of the first job.
     */
    public List<String> fields() {
        return list("fields");
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
