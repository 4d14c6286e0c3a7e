package io.bursar.client;

/** Every failure of a call. */
public class BursarException extends Exception {
    private static final long serialVersionUID = 1L;

    protected BursarException(String message, Throwable cause) {
        super(message, cause);
    }
}
