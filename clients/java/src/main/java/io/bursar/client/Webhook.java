package io.bursar.client;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Verifies webhooks by one secret, or during a rotation by several ({@code whsec_…}): the form of Standard Webhooks
 * (https://www.standardwebhooks.com). Threads may share it.
 */
public final class Webhook {
    private static final String PREFIX = "whsec_";

    /** The lengths of a secret that the specification allows, in bytes. */
    private static final int SHORTEST = 24;
    private static final int LONGEST = 64;

    /** Seconds by which a message may be old or ahead: a recorded message must not be of use later. */
    private static final long TOLERANCE_SECONDS = 300;

    private final List<SecretKeySpec> keys = new ArrayList<>();
    private final long toleranceSeconds;

    public Webhook(String... secrets) {
        this(TOLERANCE_SECONDS, List.of(secrets));
    }

    public Webhook(long toleranceSeconds, List<String> secrets) {
        if (secrets.isEmpty()) throw new IllegalArgumentException("there is no secret to verify with");
        for (String secret : secrets) keys.add(key(secret));
        this.toleranceSeconds = toleranceSeconds;
    }

    /**
     * The message.
     *
     * @param headers the request's headers, by names in any case
     * @param body the request's body as it arrived, byte by byte
     * @throws WebhookException if it is not to be believed
     */
    public WebhookEvent verify(Map<String, String> headers, byte[] body) throws WebhookException {
        return verify(headers, body, Instant.now());
    }

    WebhookEvent verify(Map<String, String> headers, byte[] body, Instant now) throws WebhookException {
        String id = header(headers, "webhook-id");
        String timestamp = header(headers, "webhook-timestamp");
        String signature = header(headers, "webhook-signature");
        if (id.isEmpty() || timestamp.isEmpty() || signature.isEmpty()) throw new WebhookException("missing_header");
        if (!timestamp.matches("[0-9]{1,12}")) throw new WebhookException("invalid_timestamp");
        long sentAt = Long.parseLong(timestamp);
        long age = now.getEpochSecond() - sentAt;
        if (Math.abs(age) > toleranceSeconds) throw new WebhookException(age > 0 ? "too_old" : "too_new");
        if (!isSigned(id + "." + timestamp + ".", body, signature)) throw new WebhookException("no_matching_signature");
        return new WebhookEvent(id, sentAt, payload(body));
    }

    private boolean isSigned(String head, byte[] body, String header) {
        boolean isSigned = false;
        for (String signature : header.split(" ")) {
            for (SecretKeySpec key : keys) { // all of them, in constant time
                isSigned |= MessageDigest.isEqual(sign(key, head, body), signature.getBytes(StandardCharsets.UTF_8));
            }
        }
        return isSigned;
    }

    private static byte[] sign(SecretKeySpec key, String head, byte[] body) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(key);
            mac.update(head.getBytes(StandardCharsets.UTF_8));
            String digest = Base64.getEncoder().encodeToString(mac.doFinal(body));
            return ("v1," + digest).getBytes(StandardCharsets.UTF_8);
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException("every Java has HmacSHA256", error);
        }
    }

    private static SecretKeySpec key(String secret) {
        byte[] key = {};
        try {
            if (secret.startsWith(PREFIX)) key = Base64.getDecoder().decode(secret.substring(PREFIX.length()));
        } catch (IllegalArgumentException error) {
            key = new byte[0];
        }
        if (key.length < SHORTEST || key.length > LONGEST) {
            throw new IllegalArgumentException("a secret must be " + PREFIX + " and 24 to 64 bytes in base64");
        }
        return new SecretKeySpec(key, "HmacSHA256");
    }

    private static String header(Map<String, String> headers, String name) {
        for (Map.Entry<String, String> header : headers.entrySet()) {
            if (name.equalsIgnoreCase(header.getKey()) && header.getValue() != null) return header.getValue();
        }
        return "";
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> payload(byte[] body) throws WebhookException {
        try {
            Object payload = Json.parse(new String(body, StandardCharsets.UTF_8));
            if (payload instanceof Map) return (Map<String, Object>) payload;
        } catch (IllegalArgumentException error) {
            throw new WebhookException("invalid_body");
        }
        throw new WebhookException("invalid_body");
    }
}
