// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

import io.bursar.client.JsonReply;
import java.util.Map;

/** A reason as outsiders read it: its code, its text in English, and the code's parameters. */
public final class Reason extends JsonReply {
    public Reason(Map<String, Object> json) {
        super(json);
    }

    public String code() {
        return text("code");
    }

    /** The reason as an English text. Programs read `code`. */
    public String message() {
        return text("message");
    }
}
