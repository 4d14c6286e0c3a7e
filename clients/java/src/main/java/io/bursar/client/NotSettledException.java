package io.bursar.client;

import io.bursar.client.types.Job;

/** The job has not ended within the time. It may still be paid: never pay it under another key. */
public final class NotSettledException extends BursarException {
    private static final long serialVersionUID = 1L;

    private final transient Job job;

    NotSettledException(Job job, Throwable cause) {
        super(job.platformNo() + " is still " + job.state(), cause);
        this.job = job;
    }

    /** The job as it was read last. */
    public Job job() {
        return job;
    }
}
