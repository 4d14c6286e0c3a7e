package io.bursar.client;

/** No reply that says the outcome until the deadline. A submitted job may be stored: submit the same job again. */
public final class UnavailableException extends BursarException {
    private static final long serialVersionUID = 1L;

    private final ProblemException problem;

    UnavailableException(String message, ProblemException problem, Throwable cause) {
        super(message, cause);
        this.problem = problem;
    }

    /** The last refusal that may be repeated (429, 5xx); {@code null} if the last attempt had no reply. */
    public ProblemException problem() {
        return problem;
    }
}
