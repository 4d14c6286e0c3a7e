package io.bursar.client;

import java.util.LinkedHashMap;
import java.util.Map;

/** An object that a producer writes. {@link #put} also sets a field that this client does not know. */
public class JsonRequest {
    private final Map<String, Object> members = new LinkedHashMap<>();

    /** Sets a member; {@code null} leaves it out. */
    public JsonRequest put(String name, Object value) {
        if (value == null) {
            members.remove(name);
        } else {
            members.put(name, value);
        }
        return this;
    }

    Map<String, Object> json() {
        return members;
    }
}
