// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

import java.util.Set;

/** The state of a job. */
public final class State {
    /** Never sent, or certainly not executed. */
    public static final String QUEUED = "queued";
    /** A send may have reached the gateway. */
    public static final String IN_DOUBT = "in_doubt";
    /** Accepted; the gateway says 9 or n. */
    public static final String PENDING = "pending";
    /** A person must decide. */
    public static final String NEEDS_REVIEW = "needs_review";
    /** The gateway's last word is 1; a bill upload was received. */
    public static final String SUCCEEDED = "succeeded";
    /** The gateway's last word is 0, or the job was certainly never executed and never will be. */
    public static final String FAILED = "failed";
    /** The gateway's last word is 2. */
    public static final String REFUNDED = "refunded";
    /** Taken back before any send took effect. */
    public static final String CANCELLED = "cancelled";

    /** The states in which a job stays until a person acts: it has ended, or needs review. */
    public static final Set<String> SETTLED = Set.of(NEEDS_REVIEW, SUCCEEDED, FAILED, REFUNDED, CANCELLED);

    private State() {}
}
