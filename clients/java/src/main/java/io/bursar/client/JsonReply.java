package io.bursar.client;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** An object that is read. A member that is absent or {@code null} is read as {@code null}. */
public abstract class JsonReply {
    private final Map<String, Object> members;

    protected JsonReply(Map<String, Object> members) {
        this.members = Collections.unmodifiableMap(members);
    }

    /** Every member, those that this client does not know included. */
    public Map<String, Object> json() {
        return members;
    }

    protected final Object any(String name) {
        return members.get(name);
    }

    protected final String text(String name) {
        return read(name, String.class);
    }

    protected final Long number(String name) {
        return read(name, Long.class);
    }

    protected final Boolean flag(String name) {
        return read(name, Boolean.class);
    }

    @SuppressWarnings("unchecked")
    protected final Map<String, Object> map(String name) {
        return read(name, Map.class);
    }

    @SuppressWarnings("unchecked")
    protected final <T> List<T> list(String name) {
        return read(name, List.class);
    }

    protected final <T> T object(String name, Function<Map<String, Object>, T> made) {
        Map<String, Object> found = map(name);
        return found == null ? null : made.apply(found);
    }

    @SuppressWarnings("unchecked")
    protected final <T> List<T> objects(String name, Function<Map<String, Object>, T> made) {
        List<T> all = new ArrayList<>();
        List<Object> found = list(name);
        for (Object item : found == null ? List.of() : found) all.add(made.apply((Map<String, Object>) item));
        return all;
    }

    private <T> T read(String name, Class<T> type) {
        Object value = members.get(name);
        return type.isInstance(value) ? type.cast(value) : null;
    }

    @Override
    public String toString() {
        return Json.write(members);
    }
}
