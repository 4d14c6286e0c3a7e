package io.bursar.client;

import io.bursar.client.types.Accepted;
import io.bursar.client.types.BatchOutcomes;
import io.bursar.client.types.Job;
import io.bursar.client.types.State;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** A client of one server: one method for each thing that a producer does. Threads may share it. */
public final class Client {
    private static final String VERSION = "0.1.0";

    /**
     * The pause before the first repetition, in milliseconds; it doubles up to the other one. Each is shortened at random by up to a
     * half, so that clients that failed together do not come back together.
     */
    private static final long FIRST_PAUSE_MILLIS = 200;
    private static final long LONGEST_PAUSE_MILLIS = 5_000;

    /** The longest wait of one request: proxies cut connections that are silent for longer. */
    private static final long LONGEST_WAIT_SECONDS = 30;

    private final String url;
    private final String token;
    private final Duration timeout;
    private final Duration retryFor;
    private final HttpClient http;

    /** A client with a timeout of 15 s for one attempt, which repeats a request for two minutes. */
    public Client(String url, String token) {
        this(url, token, Duration.ofSeconds(15), Duration.ofMinutes(2));
    }

    /**
     * @param url where the server is, for example {@code https://bursar.example}
     * @param token a token of the role {@code producer}
     * @param timeout the time for one attempt
     * @param retryFor the time within which a request is repeated; no attempt begins later
     */
    public Client(String url, String token, Duration timeout, Duration retryFor) {
        this(url, token, timeout, retryFor, HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1) // Bursar offers no other, and an upgrade would cost a round trip
                .connectTimeout(timeout)
                .followRedirects(HttpClient.Redirect.NEVER) // they would make another request of a POST
                .build());
    }

    /** The same over an HTTP client of yours, for example one that trusts a private authority. It must not follow redirects. */
    public Client(String url, String token, Duration timeout, Duration retryFor, HttpClient http) {
        URI parts = URI.create(url);
        boolean isHttp = "http".equals(parts.getScheme()) || "https".equals(parts.getScheme());
        if (!isHttp || parts.getHost() == null || parts.getQuery() != null || parts.getFragment() != null) {
            throw new IllegalArgumentException("url must be http://HOST or https://HOST, with a port or path where they are needed");
        }
        this.url = url.replaceAll("/+$", "");
        this.token = token;
        this.timeout = timeout;
        this.retryFor = retryFor;
        this.http = http;
    }

    /**
     * Submits a job: a {@code TransferJob}, {@code BillUploadJob}, {@code SplitJob} or {@code WithdrawalJob}. The outcome is
     * {@code new}, or {@code existing} if the same job was stored before; both mean that it is accepted.
     *
     * @throws ConflictException another job has this key or this business key
     * @throws ProblemException any other refusal
     * @throws UnavailableException whether the job is stored is unknown
     */
    public Accepted submit(JsonRequest job) throws BursarException, InterruptedException {
        return new Accepted(call("POST", "/v1/jobs", Json.write(job), deadline(retryFor), timeout));
    }

    /**
     * Submits up to 1,000 jobs. There is an outcome for each, in order; a refused job keeps none of the others back.
     *
     * @throws ProblemException the batch itself is refused
     * @throws UnavailableException whether the jobs are stored is unknown
     */
    public BatchOutcomes batch(List<? extends JsonRequest> jobs) throws BursarException, InterruptedException {
        return new BatchOutcomes(call("POST", "/v1/jobs", Json.write(Map.of("jobs", jobs)), deadline(retryFor), timeout));
    }

    /**
     * Reads a job.
     *
     * @throws ProblemException a refusal; of the type {@code not-found} if there is no such job
     * @throws UnavailableException Bursar cannot be read
     */
    public Job get(String account, String kind, String platformNo) throws BursarException, InterruptedException {
        return new Job(call("GET", path(account, kind, platformNo), null, deadline(retryFor), timeout));
    }

    /**
     * Reads a job once it has ended or needs review, after {@code within} at the latest.
     *
     * @throws NotSettledException the job has not ended by then
     * @throws ProblemException a refusal
     * @throws UnavailableException the job was never read
     */
    public Job wait(String account, String kind, String platformNo, Duration within)
            throws BursarException, InterruptedException {
        long deadline = deadline(within);
        Job job = null;
        while (true) {
            long began = System.nanoTime();
            long leftMillis = Math.max(TimeUnit.NANOSECONDS.toMillis(deadline - began), 0);
            if (job != null && leftMillis == 0) throw new NotSettledException(job, null);
            long waitSeconds = Math.min(leftMillis / 1000, LONGEST_WAIT_SECONDS);
            Duration wait = waitSeconds > 0 ? Duration.ofSeconds(waitSeconds) : Duration.ofMillis(leftMillis);
            String path = path(account, kind, platformNo) + "?wait="
                    + (waitSeconds > 0 ? waitSeconds + "s" : leftMillis + "ms");
            try {
                job = new Job(call("GET", path, null, deadline, timeout.plus(wait)));
            } catch (UnavailableException error) {
                if (job == null) throw error;
                throw new NotSettledException(job, error);
            }
            if (State.SETTLED.contains(job.state())) return job;
            boolean isEarly = System.nanoTime() - began < wait.toNanos() / 2;
            if (isEarly) Thread.sleep(pauseMillis(0)); // the server drains: another one will answer
        }
    }

    private static long deadline(Duration within) {
        return System.nanoTime() + within.toNanos();
    }

    /** The reply's JSON. The identical request is repeated after a lost connection or reply, 429 and 5xx. */
    private Map<String, Object> call(String method, String path, String body, long deadline, Duration timeout)
            throws BursarException, InterruptedException {
        HttpRequest request = request(method, path, body);
        for (int attempts = 0; ; attempts++) {
            String why;
            ProblemException problem = null;
            Throwable cause = null;
            long retryAfterMillis = 0;
            try {
                HttpResponse<String> reply = exchange(request, timeout);
                Map<String, Object> json = parsed(reply.body());
                int status = reply.statusCode();
                if (status >= 200 && status < 300) {
                    if (json != null) return json;
                    why = "the reply is not Bursar's";
                } else {
                    problem = ProblemException.of(status, json, reply.body());
                    if (status != 429 && status < 500) throw problem;
                    why = problem.getMessage();
                    retryAfterMillis = retryAfterMillis(reply.headers().firstValue("Retry-After").orElse(""));
                }
            } catch (ExecutionException | TimeoutException error) {
                cause = error instanceof ExecutionException ? error.getCause() : error;
                why = cause instanceof TimeoutException ? "no reply within " + timeout : String.valueOf(cause);
            }
            long pause = Math.max(pauseMillis(attempts), retryAfterMillis);
            if (System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(pause) - deadline >= 0) {
                throw new UnavailableException(unknown(method, why), problem, cause);
            }
            Thread.sleep(pause);
        }
    }

    private HttpRequest request(String method, String path, String body) {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + path))
                .header("Authorization", "Bearer " + token)
                .header("User-Agent", "bursar-client-java/" + VERSION);
        if (body != null) request.header("Content-Type", "application/json");
        return request.method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body)).build();
    }

    /** One attempt. The request's own timeout would end with the reply's head, and its body might never come. */
    private HttpResponse<String> exchange(HttpRequest request, Duration timeout)
            throws ExecutionException, TimeoutException, InterruptedException {
        CompletableFuture<HttpResponse<String>> reply =
                http.sendAsync(request, BodyHandlers.ofString(StandardCharsets.UTF_8));
        try {
            return reply.get(timeout.toMillis(), TimeUnit.MILLISECONDS);
        } finally {
            reply.cancel(true);
        }
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> parsed(String text) {
        try {
            Object value = Json.parse(text);
            return value instanceof Map ? (Map<String, Object>) value : null;
        } catch (IllegalArgumentException error) {
            return null;
        }
    }

    private static String path(String account, String kind, String platformNo) {
        return "/v1/jobs/" + encoded(account) + "/" + encoded(kind) + "/" + encoded(platformNo);
    }

    private static String encoded(String name) {
        return URLEncoder.encode(name, StandardCharsets.UTF_8).replace("+", "%20");
    }

    private static long pauseMillis(int attempts) {
        long ceiling = Math.min(FIRST_PAUSE_MILLIS << Math.min(attempts, 16), LONGEST_PAUSE_MILLIS);
        return ceiling / 2 + ThreadLocalRandom.current().nextLong(ceiling / 2 + 1);
    }

    /** {@code Retry-After}: seconds, or a date as proxies may write it; 0 where it says nothing that can be read. */
    private static long retryAfterMillis(String header) {
        if (header.matches("[0-9]{1,9}")) return Long.parseLong(header) * 1000;
        try {
            ZonedDateTime until = ZonedDateTime.parse(header, DateTimeFormatter.RFC_1123_DATE_TIME);
            return Math.max(Duration.between(ZonedDateTime.now(), until).toMillis(), 0);
        } catch (DateTimeParseException error) {
            return 0;
        }
    }

    private static String unknown(String method, String why) {
        return method.equals("POST")
                ? "whether Bursar has the job is unknown, so submit the same job again: " + why
                : "Bursar cannot be read: " + why;
    }
}
