// Generated from the server's /openapi.json by clients/generate.py. Do not edit.
package io.bursar.client.types;

/** The kind of a job. */
public final class Kind {
    /** `funds.bill.upload`: sends an order's details to the gateway. */
    public static final String BILL_UPLOAD = "bill_upload";
    /** `bkfunds.balance.pay.apply`: moves a balance between two accounts. */
    public static final String TRANSFER = "transfer";
    /** `/api/division/exec`: divides a paid order among receivers. */
    public static final String SPLIT = "split";
    /** `bkfunds.withdraw.apply`: pays a balance out to a bank card. */
    public static final String WITHDRAWAL = "withdrawal";

    private Kind() {}
}
