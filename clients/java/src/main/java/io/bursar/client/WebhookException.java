package io.bursar.client;

/** The message is not to be believed. Answer 401. */
public final class WebhookException extends Exception {
    private static final long serialVersionUID = 1L;

    private final String code;

    WebhookException(String code) {
        super("the webhook is refused: " + code);
        this.code = code;
    }

    /**
     * {@code missing_header}, {@code invalid_timestamp}, {@code too_old}, {@code too_new}, {@code no_matching_signature} or
     * {@code invalid_body}.
     */
    public String code() {
        return code;
    }
}
