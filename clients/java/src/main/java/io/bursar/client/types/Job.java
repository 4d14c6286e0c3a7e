// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

import io.bursar.client.JsonReply;
import java.util.List;
import java.util.Map;

/** One job. Times are RFC 3339 in UTC; a value that is not known yet is `null`. */
public final class Job extends JsonReply {
    public Job(Map<String, Object> json) {
        super(json);
    }

    /** The account's name. */
    public String account() {
        return text("account");
    }

    /** The amount in fen; `null` where the content names none. */
    public Long amountFen() {
        return number("amount_fen");
    }

    /** The number of sends. Each send is recorded before its first byte leaves. */
    public Long attempts() {
        return number("attempts");
    }

    /** When the job was accepted. */
    public String createdAt() {
        return text("created_at");
    }

    /** When the job is due next. While a worker has claimed the job, it is the end of the worker's lease. */
    public String dueAt() {
        return text("due_at");
    }

    /**
     * The one that ended the job: the gateway by its response, an operator, or Bursar, which will never send it. `null`
     * while it has not ended. One of `gateway`, `operator`, `bursar`.
     */
    public String endedBy() {
        return text("ended_by");
    }

    /** The gateway's status as it wrote it. */
    public String gatewayStatus() {
        return text("gateway_status");
    }

    /** The job's kind. */
    public String kind() {
        return text("kind");
    }

    /** The account that is paid, masked. */
    public String payee() {
        return text("payee");
    }

    /** The account that pays, masked: `****9a`. */
    public String payer() {
        return text("payer");
    }

    /** The job's key. */
    public String platformNo() {
        return text("platform_no");
    }

    /** The number of queries. */
    public Long queries() {
        return number("queries");
    }

    /** Why the job is in this state. */
    public Reason reason() {
        return object("reason", Reason::new);
    }

    /** The job's state. */
    public String state() {
        return text("state");
    }

    /** The gateway's transaction id, the newest that it named. */
    public String tradeNo() {
        return text("trade_no");
    }

    /** When the job last changed. */
    public String updatedAt() {
        return text("updated_at");
    }

    /** The name of the environment that the job was submitted in. It is left out where the submitter had none. */
    public String environment() {
        return text("environment");
    }

    /** The order that the job is about. It is left out where the kind has none. */
    public String orderId() {
        return text("order_id");
    }

    /** Those among whom the order is divided. They are left out where the kind has none. */
    public List<Receiver> receivers() {
        return objects("receivers", Receiver::new);
    }
}
