package io.bursar.client;

import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** Another job has this key or this business key. Nothing is stored. */
public final class ConflictException extends ProblemException {
    private static final long serialVersionUID = 1L;

    ConflictException(Map<String, Object> members) {
        super(members);
    }

    /** The key of the job that was submitted first. */
    public String first() {
        return (String) members().get("first");
    }

    /** The fields that differ from that job's, where it has this key. */
    public List<String> fields() {
        Object fields = members().get("fields");
        return fields instanceof List
                ? ((List<?>) fields).stream().map(String::valueOf).collect(Collectors.toList())
                : List.of();
    }
}
