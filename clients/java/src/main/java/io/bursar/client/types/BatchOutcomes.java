// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

import io.bursar.client.JsonReply;
import java.util.List;
import java.util.Map;

/** The outcomes of a batch. */
public final class BatchOutcomes extends JsonReply {
    public BatchOutcomes(Map<String, Object> json) {
        super(json);
    }

    /** The durability of the jobs that are stored. */
    public String durability() {
        return text("durability");
    }

    /** An outcome for each job, in the order of the batch. */
    public List<BatchEntry> jobs() {
        return objects("jobs", BatchEntry::new);
    }
}
