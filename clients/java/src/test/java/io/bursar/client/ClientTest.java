// The client against a server behind a proxy that loses replies. `tests/e2e/sdks.rs` starts both, and checks what arrived:
//
//   cargo test -p bursar --test e2e -- sdks::java
//
// A program, for a test library would have to be fetched. Package-private, so that a webhook can be verified at another time.

package io.bursar.client;

import io.bursar.client.types.Accepted;
import io.bursar.client.types.BatchEntry;
import io.bursar.client.types.BillUploadBody;
import io.bursar.client.types.BillUploadGoodsDetail;
import io.bursar.client.types.BillUploadJob;
import io.bursar.client.types.FieldError;
import io.bursar.client.types.Job;
import io.bursar.client.types.ProblemType;
import io.bursar.client.types.SplitBody;
import io.bursar.client.types.SplitJob;
import io.bursar.client.types.SplitReceiver;
import io.bursar.client.types.State;
import io.bursar.client.types.TransferBody;
import io.bursar.client.types.TransferJob;
import io.bursar.client.types.WithdrawalBody;
import io.bursar.client.types.WithdrawalJob;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

final class ClientTest {
    private static final String URL = System.getenv("BURSAR_URL");
    private static final String TOKEN = System.getenv("BURSAR_TOKEN");

    /** A test, or a call that must fail. */
    private interface Action {
        void run() throws Exception;
    }

    private ClientTest() {}

    public static void main(String[] arguments) {
        Map<String, Action> tests = new LinkedHashMap<>();
        tests.put("every vector has its result", () -> vectors(Path.of(arguments[0])));
        tests.put("a wrong secret is refused", () -> invalidSecrets(Path.of(arguments[0])));
        tests.put("JSON is read and written", ClientTest::json);
        tests.put("a webhook of the server is verified", ClientTest::webhook);
        tests.put("a job of each kind is accepted and followed", ClientTest::kinds);
        tests.put("a lost reply is repeated until the job is known", ClientTest::lostReplies);
        tests.put("what cannot be taken now is repeated", ClientTest::refusedForNow);
        tests.put("repeating ends at the deadline", ClientTest::deadline);
        tests.put("the same job is accepted again", ClientTest::again);
        tests.put("a conflict names the first job", ClientTest::conflict);
        tests.put("an invalid job names each field", ClientTest::invalid);
        tests.put("other refusals are problems", ClientTest::refusals);
        tests.put("a batch has an outcome for each job", ClientTest::batch);
        tests.put("a wait ends with the job as it is", ClientTest::later);
        tests.put("a key may have any characters", ClientTest::oddKey);
        int failed = 0;
        for (Map.Entry<String, Action> test : tests.entrySet()) {
            try {
                test.getValue().run();
                System.out.println("ok     " + test.getKey());
            } catch (Exception | AssertionError error) {
                failed++;
                System.out.println("FAILED " + test.getKey());
                error.printStackTrace(System.out);
            }
        }
        System.out.println(tests.size() - failed + " passed, " + failed + " failed");
        System.exit(failed == 0 ? 0 : 1);
    }

    private static void equal(Object actual, Object expected) {
        if (!expected.equals(actual)) throw new AssertionError("expected " + expected + ", and it is " + actual);
    }

    private static <E extends Exception> E failure(Class<E> type, Action action) throws Exception {
        try {
            action.run();
        } catch (Exception error) {
            if (type.isInstance(error)) return type.cast(error);
            throw error;
        }
        throw new AssertionError("it did not fail");
    }

    private static Client client() {
        return client(TOKEN, Duration.ofSeconds(30));
    }

    private static Client client(String token, Duration retryFor) {
        return new Client(URL, token, Duration.ofSeconds(2), retryFor);
    }

    private static TransferJob transfer(String key) {
        return transfer(key, 10);
    }

    private static TransferJob transfer(String key, long amount) {
        return new TransferJob("main", key, new TransferBody().nodeId("00061967").totalAmount(amount)
                .payerStoreNo("amy99a").payerType("1").payeeStoreNo("amy99b").payeeType("2").arriveTime("T0"));
    }

    private static BillUploadJob bill(String key) {
        BillUploadGoodsDetail goods = new BillUploadGoodsDetail().goodsId("apple-01").goodsName("ipad").quantity(1L)
                .price(200_000L).realPrice(199_999L);
        return new BillUploadJob("main", key, new BillUploadBody().nodeId("100001").orderAmount(199L).orderId(key)
                .orderTime("20240301131800").storeId("20008221").tradeType("1").goodsDetail(List.of(goods))
                .extra(Map.of("remark", "备注")));
    }

    private static SplitJob split(String key) {
        SplitReceiver receiver = new SplitReceiver().receiverId(800029L).divisionProfit("0.0001");
        return new SplitJob("shop", key,
                new SplitBody().payOrderId(key).useSysAutoDivisionReceivers(0L).receivers(List.of(receiver)));
    }

    private static WithdrawalJob withdrawal(String key) {
        return new WithdrawalJob("main", key, new WithdrawalBody().merchantId(1_000_000_001_116L).ssoNodeId("00061967")
                .accountSubType("0").totalAmount(110L).cardType("0").remark(key));
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> read(Path file) throws Exception {
        return (Map<String, Object>) Json.parse(Files.readString(file));
    }

    @SuppressWarnings("unchecked")
    private static void vectors(Path file) throws Exception {
        for (Map<String, Object> vector : (List<Map<String, Object>>) read(file).get("vectors")) {
            Map<String, String> headers = new HashMap<>();
            for (String name : List.of("id", "timestamp", "signature")) {
                headers.put("Webhook-" + name, (String) vector.get(name));
            }
            byte[] body = ((String) vector.get("body")).getBytes(StandardCharsets.UTF_8);
            String result = "verified";
            try {
                List<String> secrets = (List<String>) vector.get("secrets");
                new Webhook(300, secrets).verify(headers, body, Instant.ofEpochSecond((Long) vector.get("now")));
            } catch (WebhookException error) {
                result = error.code();
            }
            equal(vector.get("name") + ": " + result, vector.get("name") + ": " + vector.get("expected"));
        }
    }

    @SuppressWarnings("unchecked")
    private static void invalidSecrets(Path file) throws Exception {
        for (String secret : (List<String>) read(file).get("invalid_secrets")) {
            failure(IllegalArgumentException.class, () -> new Webhook(secret));
        }
    }

    private static void json() throws Exception {
        String text = "{\"a\":[1,-2.50,1E+2,9223372036854775807,true,false,null,{}],\"\\\"\\\\\":\"备\\u0001\"}";
        equal(Json.write(Json.parse(" {\"a\" : [1,-2.50,1e2, 9223372036854775807,true,false,null,{ }],\"\\\"\\\\\":"
                + "\"\\u5907\\u0001\"}\n")), text);
        for (String wrong : List.of("", "{", "[1,]", "{\"a\":1,}", "01", "1.", "+1", "nul", "\"a", "\"\\x\"", "1 2", "{a:1}",
                "\"\n\"", "[".repeat(100_000))) {
            failure(IllegalArgumentException.class, () -> Json.parse(wrong));
        }
        failure(IllegalArgumentException.class, () -> Json.write(Double.NaN));
    }

    @SuppressWarnings("unchecked")
    private static void webhook() throws Exception {
        Map<String, Object> message = read(Path.of(System.getenv("BURSAR_WEBHOOK")));
        byte[] body = ((String) message.get("body")).getBytes(StandardCharsets.UTF_8);
        WebhookEvent event = new Webhook(300, (List<String>) message.get("secrets"))
                .verify((Map<String, String>) message.get("headers"), body);
        equal(event.type(), "job.succeeded");
        equal(event.job().data().platformNo(), "HOOK-1");
    }

    private static void kinds() throws Exception {
        equal(client().submit(transfer("KIND-TRANSFER")).outcome(), "new");
        equal(client().submit(bill("KIND-BILL")).outcome(), "new");
        equal(client().submit(split("KIND-SPLIT")).outcome(), "new");
        equal(client().submit(withdrawal("KIND-WITHDRAWAL")).outcome(), "new");
        for (String[] name : new String[][] {{"main", "transfer", "KIND-TRANSFER"}, {"main", "bill_upload", "KIND-BILL"},
                {"shop", "split", "KIND-SPLIT"}}) { // a withdrawal cannot be queried: an operator ends it
            Job ended = client().wait(name[0], name[1], name[2], Duration.ofSeconds(30));
            equal(ended.state(), State.SUCCEEDED);
        }
    }

    private static void lostReplies() throws Exception {
        for (String key : List.of("LOST-1", "CUT-1", "HANG-1")) {
            equal(client().submit(transfer(key)).outcome(), "existing");
        }
        equal(client().get("main", "transfer", "LOST-1").platformNo(), "LOST-1");
    }

    private static void refusedForNow() throws Exception {
        for (String key : List.of("DOWN-1", "RATE-1", "PAGE-1")) equal(client().submit(transfer(key)).outcome(), "new");
    }

    private static void deadline() throws Exception {
        Client hasty = client(TOKEN, Duration.ofSeconds(1));
        UnavailableException refused = failure(UnavailableException.class, () -> hasty.submit(transfer("GONE-1")));
        equal(refused.problem().status(), 502);
        equal(refused.problem().type(), "about:blank");
        Client away = new Client("http://127.0.0.1:1", TOKEN, Duration.ofSeconds(2), Duration.ofMillis(500));
        UnavailableException unknown = failure(UnavailableException.class, () -> away.submit(transfer("GONE-1")));
        if (unknown.problem() != null) throw new AssertionError(unknown.problem());
    }

    private static void again() throws Exception {
        equal(client().submit(transfer("TWICE-1")).outcome(), "new");
        Accepted second = client().submit(transfer("TWICE-1"));
        equal(second.outcome(), "existing");
        equal(second.platformNo(), "TWICE-1");
    }

    private static void conflict() throws Exception {
        client().submit(transfer("FIRST-1"));
        ConflictException error = failure(ConflictException.class, () -> client().submit(transfer("FIRST-1", 11)));
        equal(error.first(), "FIRST-1");
        equal(error.status(), 409);
        equal(error.type(), ProblemType.KEY_CONFLICT);
        equal(error.fields(), List.of("total_amount"));
        equal(error.detail().contains("FIRST-1"), true);
    }

    private static void invalid() throws Exception {
        ProblemException error = failure(ProblemException.class, () -> client().submit(transfer("INVALID 1", -1)));
        equal(error.status(), 422);
        equal(error.type(), ProblemType.INVALID);
        Set<String> fields = new HashSet<>();
        for (FieldError wrong : error.errors()) fields.add(wrong.field());
        equal(fields, Set.of("platform_no", "body.total_amount"));
    }

    private static void refusals() throws Exception {
        Client stranger = client("wrong", Duration.ofSeconds(30));
        ProblemException unknown = failure(ProblemException.class, () -> stranger.submit(transfer("TOKEN-1")));
        equal(unknown.status(), 401);
        equal(unknown.type(), ProblemType.UNAUTHENTICATED);
        ProblemException missing = failure(ProblemException.class, () -> client().get("main", "transfer", "MISSING-1"));
        equal(missing.status(), 404);
        equal(missing.type(), ProblemType.NOT_FOUND);
    }

    private static void batch() throws Exception {
        client().submit(transfer("BATCH-1"));
        List<BatchEntry> outcomes = client().batch(List.of(transfer("BATCH-1"), transfer("BATCH-1", 11),
                transfer("BATCH 3"), transfer("BATCH-2"))).jobs();
        List<String> expected = List.of("existing", "conflict", "invalid", "new");
        for (int at = 0; at < expected.size(); at++) equal(outcomes.get(at).outcome(), expected.get(at));
        equal(outcomes.get(3).status(), 201L);
        equal(outcomes.get(1).first(), "BATCH-1");
        equal(outcomes.get(2).errors().get(0).field(), "platform_no");
    }

    private static void later() throws Exception {
        TransferJob job = transfer("LATER-1");
        client().submit(job.runAt(Instant.now().plus(Duration.ofDays(1)).toString()));
        NotSettledException error = failure(NotSettledException.class,
                () -> client().wait("main", "transfer", "LATER-1", Duration.ofMillis(1_200)));
        equal(error.job().state(), State.QUEUED);
    }

    private static void oddKey() throws Exception {
        String key = "ODD-/?#%41+&=:@";
        client().submit(transfer(key));
        equal(client().get("main", "transfer", key).platformNo(), key);
    }
}
