<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** The kind of a job. */
final class Kind
{
    /** `funds.bill.upload`: sends an order's details to the gateway. */
    public const BILL_UPLOAD = 'bill_upload';
    /** `bkfunds.balance.pay.apply`: moves a balance between two accounts. */
    public const TRANSFER = 'transfer';
    /** `/api/division/exec`: divides a paid order among receivers. */
    public const SPLIT = 'split';
    /** `bkfunds.withdraw.apply`: pays a balance out to a bank card. */
    public const WITHDRAWAL = 'withdrawal';
}
