// Submits one transfer and follows it to its end, whatever is lost on the way.
//
//   javac -d classes $(find src/main -name '*.java')
//   BURSAR_URL=http://127.0.0.1:8080 BURSAR_TOKEN=bursar_… java -cp classes examples/Submit.java ORDER-1
//
// Exit code: 0 paid; 1 refused, failed, or needs review; 2 wrong use; 3 Bursar is out of reach.

import io.bursar.client.BursarException;
import io.bursar.client.Client;
import io.bursar.client.ProblemException;
import io.bursar.client.types.State;
import io.bursar.client.types.TransferBody;
import io.bursar.client.types.TransferJob;
import java.time.Duration;

public class Submit {
    static String env(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? otherwise : value;
    }

    static int pay(Client client, String platformNo) throws BursarException, InterruptedException {
        TransferBody body = new TransferBody()
                .nodeId("00061967")
                .totalAmount(10L) // fen
                .payerStoreNo("amy99a")
                .payerType("1")
                .payeeStoreNo("amy99b")
                .payeeType("2")
                .arriveTime("T0");
        // Choose the key once and keep it: it identifies this payment in every repetition.
        TransferJob job = new TransferJob("main", platformNo, body);
        System.out.println(platformNo + " is " + client.submit(job).state());
        String state = client.wait("main", "transfer", platformNo, Duration.ofMinutes(10)).state();
        System.out.println(platformNo + " " + state);
        return state.equals(State.SUCCEEDED) ? 0 : 1;
    }

    public static void main(String[] arguments) throws InterruptedException {
        String token = env("BURSAR_TOKEN", "");
        if (arguments.length != 1 || token.isEmpty()) {
            System.err.println("usage: BURSAR_URL=… BURSAR_TOKEN=… java -cp classes Submit.java PLATFORM_NO");
            System.exit(2);
        }
        Duration timeout = Duration.ofSeconds(Long.parseLong(env("BURSAR_TIMEOUT", "15")));
        Duration retryFor = Duration.ofSeconds(Long.parseLong(env("BURSAR_REPEAT_FOR", "120"))); // after it, a person must look
        Client client = new Client(env("BURSAR_URL", "http://127.0.0.1:8080"), token, timeout, retryFor);
        try {
            System.exit(pay(client, arguments[0]));
        } catch (ProblemException error) {
            System.err.println("refused (" + error.status() + "): " + error.detail());
            System.exit(1);
        } catch (BursarException error) { // run this again: it is the same payment
            System.err.println(error.getMessage());
            System.exit(3);
        }
    }
}
