// Submits one transfer, repeats safely, and follows it to its end. Java 11 or newer, no libraries.
//
//   BURSAR_URL=http://127.0.0.1:8080 BURSAR_TOKEN=bursar_… java Submit.java ORDER-1
//
// Exit code: 0 paid; 1 refused, failed, or needs review; 2 wrong use; 3 Bursar is out of reach.

import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class Submit {
    static final String URL = env("BURSAR_URL", "http://127.0.0.1:8080");
    static final String TOKEN = env("BURSAR_TOKEN", "");
    /** Timeout of one request; longer than the wait below. */
    static final Duration TIMEOUT = Duration.ofSeconds(Long.parseLong(env("BURSAR_TIMEOUT", "45")));
    /** The time for which one request is repeated; after it, a person must look. */
    static final Duration REPEAT_FOR = Duration.ofSeconds(Long.parseLong(env("BURSAR_REPEAT_FOR", "120")));
    /** What is in doubt is never "not paid". */
    static final Set<String> UNFINISHED = Set.of("queued", "in_doubt", "pending");
    static final HttpClient CLIENT =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(5)).build();

    /** Whether Bursar has the job is unknown: submit the identical job again. */
    static class OutOfReach extends Exception {
        OutOfReach(String why) {
            super(why);
        }
    }

    static String env(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? otherwise : value;
    }

    /** The answer. Lost connections, lost answers, 429 and 5xx are repeated with the identical request. */
    static HttpResponse<String> call(HttpRequest.Builder building, String path) throws OutOfReach, InterruptedException {
        HttpRequest request = building.uri(URI.create(URL + path)).timeout(TIMEOUT)
                .header("Authorization", "Bearer " + TOKEN).header("Content-Type", "application/json").build();
        Instant until = Instant.now().plus(REPEAT_FOR);
        for (long pause = 200; ; pause = Math.min(pause * 2, 5_000)) {
            String why;
            try {
                HttpResponse<String> answer = CLIENT.send(request, BodyHandlers.ofString());
                if (answer.statusCode() != 429 && answer.statusCode() < 500) return answer;
                why = "HTTP " + answer.statusCode();
            } catch (IOException error) {
                why = error.toString();
            }
            if (Instant.now().plusMillis(pause).isAfter(until)) throw new OutOfReach(why);
            Thread.sleep(pause);
        }
    }

    /** One text of a JSON object. A service has a JSON library for this. */
    static String member(String json, String name) {
        Matcher found = Pattern.compile("\"" + name + "\"\\s*:\\s*\"((?:[^\"\\\\]|\\\\.)*)\"").matcher(json);
        return found.find() ? found.group(1) : "";
    }

    static int pay(String platformNo) throws OutOfReach, InterruptedException {
        // Choose the key once and keep it: it identifies this payment in every repetition.
        String job = "{\"account\": \"main\", \"kind\": \"transfer\", \"platform_no\": \"" + platformNo + "\", \"body\": {"
                + "\"node_id\": \"00061967\", \"total_amount\": 10, \"payer_store_no\": \"amy99a\", \"payer_type\": \"1\", "
                + "\"payee_store_no\": \"amy99b\", \"payee_type\": \"2\", \"arrive_time\": \"T0\"}}";
        HttpResponse<String> answer =
                call(HttpRequest.newBuilder().POST(BodyPublishers.ofString(job)), "/v1/jobs");
        if (answer.statusCode() != 200 && answer.statusCode() != 201) {
            System.err.println("refused (" + answer.statusCode() + "): " + member(answer.body(), "detail"));
            return 1;
        }
        String state = member(answer.body(), "state");
        System.out.println(platformNo + " is " + state);
        String path = "/v1/jobs/main/transfer/" + URLEncoder.encode(platformNo, StandardCharsets.UTF_8) + "?wait=30s";
        while (UNFINISHED.contains(state)) {
            answer = call(HttpRequest.newBuilder().GET(), path);
            if (answer.statusCode() != 200) {
                System.err.println(platformNo + " cannot be read (" + answer.statusCode() + ")");
                return 3;
            }
            state = member(answer.body(), "state");
        }
        System.out.println(platformNo + " " + state);
        return state.equals("succeeded") ? 0 : 1;
    }

    public static void main(String[] arguments) throws InterruptedException {
        if (arguments.length != 1 || TOKEN.isEmpty()) {
            System.err.println("usage: BURSAR_URL=… BURSAR_TOKEN=… java Submit.java PLATFORM_NO");
            System.exit(2);
        }
        try {
            System.exit(pay(arguments[0]));
        } catch (OutOfReach error) {
            System.err.println(URL + " is out of reach (" + error.getMessage() + "); run this again");
            System.exit(3);
        }
    }
}
