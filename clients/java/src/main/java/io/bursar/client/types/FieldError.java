// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

import io.bursar.client.JsonReply;
import java.util.Map;

/** One thing wrong with a submission. */
public final class FieldError extends JsonReply {
    public FieldError(Map<String, Object> json) {
        super(json);
    }

    /** Where: `platform_no`, `body.total_amount`, `body.receivers[1].receiverId`. */
    public String field() {
        return text("field");
    }

    /** The rule that it breaks: `must be a positive integer of fen`. */
    public String rule() {
        return text("rule");
    }
}
