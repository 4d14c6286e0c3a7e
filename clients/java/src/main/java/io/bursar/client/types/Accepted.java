// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

import io.bursar.client.JsonReply;
import java.util.Map;

/** A job that is stored. */
public final class Accepted extends JsonReply {
    public Accepted(Map<String, Object> json) {
        super(json);
    }

    /** The durability of the job. */
    public String durability() {
        return text("durability");
    }

    /** One of `new`, `existing`. */
    public String outcome() {
        return text("outcome");
    }

    /** The job's key; `null` where the job has none. */
    public String platformNo() {
        return text("platform_no");
    }

    /** The job's state. */
    public String state() {
        return text("state");
    }

    /** The account's name. It is left out where the job is invalid. */
    public String account() {
        return text("account");
    }

    /** The job's kind. It is left out where the job is invalid. */
    public String kind() {
        return text("kind");
    }
}
