// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

/** How durably it is stored: in Redis's memory, on its disk, or at its replicas. */
public final class Durability {
    public static final String FAST = "fast";
    public static final String LOCAL = "local";
    public static final String REPLICATED = "replicated";

    private Durability() {}
}
