// Package bursar is a client of Bursar, a durable queue of payment jobs: submit, follow, and verify webhooks. It has no
// dependencies.
package bursar

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const version = "0.1.0"

const (
	// The pause before the first repetition; it doubles up to the other one. Each is shortened at random by up to a half, so
	// that clients that failed together do not come back together.
	firstPause   = 200 * time.Millisecond
	longestPause = 5 * time.Second

	// The longest wait of one request: proxies cut connections that are silent for longer.
	longestWait = 30 * time.Second

	// The most bytes of a reply. The outcomes of 1,000 jobs are far smaller.
	maxReplyBytes = 64 << 20
)

// Client is a client of one server. Goroutines may share it. Timeout, RetryFor and HTTP may be set before the first call.
type Client struct {
	// Timeout is the time for one attempt: 15 s.
	Timeout time.Duration
	// RetryFor is the time within which a request is repeated: two minutes. No attempt begins later.
	RetryFor time.Duration
	// HTTP makes the requests. It must not follow redirects: they would make another request of a POST.
	HTTP *http.Client

	url   string
	token string
}

// New makes a client of the server at baseURL (https://bursar.example) with a token of the role producer.
func New(baseURL, token string) (*Client, error) {
	parts, err := url.Parse(baseURL)
	if err != nil || (parts.Scheme != "http" && parts.Scheme != "https") || parts.Host == "" || parts.RawQuery != "" {
		return nil, errors.New("the URL must be http://HOST or https://HOST, with a port or path where they are needed")
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		Timeout:  15 * time.Second,
		RetryFor: 2 * time.Minute,
		HTTP:     &http.Client{CheckRedirect: stay},
		url:      strings.TrimRight(baseURL, "/"),
		token:    token,
	}, nil
}

// Submit submits a job: a TransferJob, BillUploadJob, SplitJob or WithdrawalJob. The outcome is "new", or "existing" if the
// same job was stored before; both mean that it is accepted.
//
// The error is a *Conflict if another job has this key or this business key, a *Problem for any other refusal, and an
// *Unavailable if it is unknown whether the job is stored.
func (c *Client) Submit(ctx context.Context, job any) (*Accepted, error) {
	accepted := new(Accepted)
	if err := c.post(ctx, job, accepted); err != nil {
		return nil, err
	}
	return accepted, nil
}

// Batch submits up to 1,000 jobs. There is an outcome for each, in order; a refused job keeps none of the others back.
func (c *Client) Batch(ctx context.Context, jobs []any) (*BatchOutcomes, error) {
	outcomes := new(BatchOutcomes)
	if err := c.post(ctx, map[string]any{"jobs": jobs}, outcomes); err != nil {
		return nil, err
	}
	return outcomes, nil
}

// Get reads a job. The error is a *Problem of the type ProblemNotFound if there is no such job.
func (c *Client) Get(ctx context.Context, account string, kind Kind, platformNo string) (*Job, error) {
	job := new(Job)
	err := c.call(ctx, http.MethodGet, jobPath(account, kind, platformNo), nil, time.Now().Add(c.RetryFor), c.Timeout, job)
	if err != nil {
		return nil, err
	}
	return job, nil
}

// Wait reads a job once it has ended or needs review, after within at the latest. The error is a *NotSettled if the job has
// not ended by then, and an *Unavailable if it was never read.
func (c *Client) Wait(ctx context.Context, account string, kind Kind, platformNo string, within time.Duration) (*Job, error) {
	deadline := time.Now().Add(within)
	path := jobPath(account, kind, platformNo)
	var last *Job
	for {
		began := time.Now()
		left := deadline.Sub(began)
		if last != nil && left <= 0 {
			return nil, &NotSettled{Job: last}
		}
		text, wait := waitOf(left)
		job := new(Job)
		err := c.call(ctx, http.MethodGet, path+"?wait="+text, nil, deadline, wait+c.Timeout, job)
		var unavailable *Unavailable
		if last != nil && errors.As(err, &unavailable) {
			return nil, &NotSettled{Job: last, Cause: err}
		}
		if err != nil {
			return nil, err
		}
		if job.State.IsSettled() {
			return job, nil
		}
		last = job
		if time.Since(began) < wait/2 { // the server drains: another one will answer
			if err := sleep(ctx, pauseOf(0)); err != nil {
				return nil, err
			}
		}
	}
}

func (c *Client) post(ctx context.Context, value, result any) error {
	// Written once for all attempts, so that each has the same bytes.
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodPost, "/v1/jobs", body, time.Now().Add(c.RetryFor), c.Timeout, result)
}

// call repeats the identical request after a lost connection or reply, 429 and 5xx.
func (c *Client) call(ctx context.Context, method, path string, body []byte, deadline time.Time, timeout time.Duration, result any) error {
	for attempts := 0; ; attempts++ {
		reply, err := c.exchange(ctx, method, path, body, timeout)
		var problem *Problem
		var retryAfter time.Duration
		switch {
		case ctx.Err() != nil:
			return unavailable(method, nil, ctx.Err())
		case err != nil:
		case reply.status >= 200 && reply.status < 300:
			if err = unmarshalObject(reply.body, result); err == nil {
				return nil
			}
		default:
			refusal := problemOf(reply)
			if reply.status != http.StatusTooManyRequests && reply.status < 500 {
				return refusal
			}
			errors.As(refusal, &problem)
			retryAfter = retryAfterOf(reply.retryAfter)
		}
		pause := pauseOf(attempts)
		if retryAfter > pause {
			pause = retryAfter
		}
		if !time.Now().Add(pause).Before(deadline) {
			return unavailable(method, problem, err)
		}
		if err := sleep(ctx, pause); err != nil {
			return unavailable(method, problem, err)
		}
	}
}

type reply struct {
	status     int
	retryAfter string
	body       []byte
}

func (c *Client) exchange(ctx context.Context, method, path string, body []byte, timeout time.Duration) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("User-Agent", "bursar-client-go/"+version)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.HTTP.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxReplyBytes))
	if err != nil {
		return nil, err
	}
	return &reply{status: response.StatusCode, retryAfter: response.Header.Get("Retry-After"), body: text}, nil
}

// unmarshalObject refuses null, which json takes for any object.
func unmarshalObject(text []byte, result any) error {
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return errors.New("the reply is not Bursar's")
	}
	return json.Unmarshal(text, result)
}

func jobPath(account string, kind Kind, platformNo string) string {
	// PathEscape leaves dots, and a path of dots would lead elsewhere.
	names := []string{account, string(kind), platformNo}
	for at, name := range names {
		names[at] = strings.ReplaceAll(url.PathEscape(name), ".", "%2E")
	}
	return "/v1/jobs/" + strings.Join(names, "/")
}

// waitOf is a wait of the API, and its duration.
func waitOf(left time.Duration) (string, time.Duration) {
	if left < 0 {
		left = 0
	}
	if left < time.Second {
		left = left.Truncate(time.Millisecond)
		return fmt.Sprintf("%dms", left.Milliseconds()), left
	}
	if left > longestWait {
		left = longestWait
	}
	left = left.Truncate(time.Second)
	return fmt.Sprintf("%ds", int(left.Seconds())), left
}

func pauseOf(attempts int) time.Duration {
	ceiling := longestPause
	if attempts < 16 && firstPause<<attempts < longestPause {
		ceiling = firstPause << attempts
	}
	return ceiling/2 + time.Duration(rand.Int63n(int64(ceiling/2)+1))
}

// retryAfterOf reads seconds, or a date as proxies may write it; 0 where the header says nothing that can be read.
func retryAfterOf(header string) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if until, err := http.ParseTime(header); err == nil && time.Until(until) > 0 {
		return time.Until(until)
	}
	return 0
}

func sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
