// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

import io.bursar.client.JsonReply;
import java.util.Map;

/** One receiver of a split. */
public final class Receiver extends JsonReply {
    public Receiver(Map<String, Object> json) {
        super(json);
    }

    /** The receiver or the group of receivers, masked. */
    public String receiver() {
        return text("receiver");
    }

    /** The share of the whole, as the content has it; `null` where the gateway knows it. */
    public String share() {
        return text("share");
    }
}
