package io.bursar.client;

import java.util.Map;

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
}
