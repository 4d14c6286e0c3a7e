<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** The kind of a refusal. A `type` never changes its meaning. */
final class ProblemType
{
    /** No bearer token, or none that is known. */
    public const UNAUTHENTICATED = 'urn:bursar:problem:unauthenticated';
    /** The token's role does not allow this. */
    public const FORBIDDEN = 'urn:bursar:problem:forbidden';
    /** No route, job, queue or notification has this name, or the token is not for it. */
    public const NOT_FOUND = 'urn:bursar:problem:not-found';
    /** The route has other methods. */
    public const METHOD_NOT_ALLOWED = 'urn:bursar:problem:method-not-allowed';
    /** The body did not arrive in time. */
    public const REQUEST_TIMEOUT = 'urn:bursar:problem:request-timeout';
    /** The body is no JSON text, or the request is no HTTP. */
    public const MALFORMED = 'urn:bursar:problem:malformed';
    /** The key has other content; `fields` names what differs. */
    public const KEY_CONFLICT = 'urn:bursar:problem:key-conflict';
    /** Another job has the same business key, for example the same order; `first` names that job. */
    public const BUSINESS_KEY_CONFLICT = 'urn:bursar:problem:business-key-conflict';
    /** The state of the job or queue does not allow the action, or no longer. */
    public const INVALID_STATE = 'urn:bursar:problem:invalid-state';
    /** The body, or its number of jobs, is over the limit. */
    public const PAYLOAD_TOO_LARGE = 'urn:bursar:problem:payload-too-large';
    /** The head of the request is too long. */
    public const HEAD_TOO_LARGE = 'urn:bursar:problem:head-too-large';
    /** The Content-Type is not JSON, or the body is compressed. */
    public const WRONG_CONTENT_TYPE = 'urn:bursar:problem:wrong-content-type';
    /** Rules are broken; `errors` names all of them. */
    public const INVALID = 'urn:bursar:problem:invalid';
    /** The token's rate is used up, or too many unknown tokens came from this address within a minute. */
    public const RATE_LIMITED = 'urn:bursar:problem:rate-limited';
    /** Redis cannot do it now. It is safe to repeat the request. */
    public const UNAVAILABLE = 'urn:bursar:problem:unavailable';
    /** Redis has a record of the job that this build cannot read. A newer build can, or an operator must look at it. */
    public const UNREADABLE_RECORD = 'urn:bursar:problem:unreadable-record';
    /** A reply of Redis that cannot be read, or a fault of Bursar. */
    public const INTERNAL = 'urn:bursar:problem:internal';
}
