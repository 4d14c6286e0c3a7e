package io.bursar.client;

import io.bursar.client.types.FieldError;
import io.bursar.client.types.ProblemType;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Bursar has refused the request, as a problem of RFC 9457. The same request would be refused again. */
public class ProblemException extends BursarException {
    private static final long serialVersionUID = 1L;

    private final transient Map<String, Object> members;

    ProblemException(Map<String, Object> members) {
        super(members.get("title") + " (" + members.get("status") + "): " + members.get("detail"), null);
        this.members = members;
    }

    /** The problem in a reply; one of the type {@code about:blank} where another program than Bursar has replied. */
    static ProblemException of(int status, Object json, String text) {
        Map<String, Object> members = new LinkedHashMap<>();
        members.put("type", "about:blank");
        members.put("title", "HTTP error");
        members.put("detail", text.substring(0, Math.min(text.length(), 200)));
        if (json instanceof Map) ((Map<?, ?>) json).forEach((name, value) -> members.put((String) name, value));
        members.put("status", (long) status);
        Object type = members.get("type");
        boolean isConflict = ProblemType.KEY_CONFLICT.equals(type) || ProblemType.BUSINESS_KEY_CONFLICT.equals(type);
        return isConflict ? new ConflictException(members) : new ProblemException(members);
    }

    /** The kind of refusal: one of {@link ProblemType}, or {@code about:blank} where the refusal is not Bursar's. */
    public String type() {
        return String.valueOf(members.get("type"));
    }

    public String title() {
        return String.valueOf(members.get("title"));
    }

    public int status() {
        return ((Long) members.get("status")).intValue();
    }

    /** The refusal in a sentence, for people. */
    public String detail() {
        return String.valueOf(members.get("detail"));
    }

    /** Every field that breaks a rule, where the type is {@code invalid}. */
    @SuppressWarnings("unchecked")
    public List<FieldError> errors() {
        List<FieldError> all = new ArrayList<>();
        Object found = members.get("errors");
        if (found instanceof List) ((List<Map<String, Object>>) found).forEach(error -> all.add(new FieldError(error)));
        return all;
    }

    /** Every member of the problem. */
    public Map<String, Object> members() {
        return members;
    }
}
