package bursar

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	secretPrefix = "whsec_"

	// The lengths of a secret that the specification allows, in bytes.
	shortestSecret = 24
	longestSecret  = 64

	// The digits of a timestamp: seconds of the next thousands of years.
	maxTimestampDigits = 12
)

// WebhookError means that the message is not to be believed. Answer 401.
//
// Code is missing_header, invalid_timestamp, too_old, too_new, no_matching_signature or invalid_body.
type WebhookError struct {
	Code string
}

func (e *WebhookError) Error() string {
	return "the webhook is refused: " + e.Code
}

// WebhookEvent is a message that was verified.
type WebhookEvent struct {
	// ID is the same at each delivery: recognise repetitions by it.
	ID string
	// SentAt is the time of this delivery.
	SentAt time.Time
	// Type says which message it is.
	Type WebhookType
	// Body is the message.
	Body []byte
}

// Job reads a message about a job: every type but WebhookTypeNotificationReceived.
func (e *WebhookEvent) Job() (*JobWebhook, error) {
	message := new(JobWebhook)
	return message, json.Unmarshal(e.Body, message)
}

// Notification reads a message of the type WebhookTypeNotificationReceived.
func (e *WebhookEvent) Notification() (*NotificationWebhook, error) {
	message := new(NotificationWebhook)
	return message, json.Unmarshal(e.Body, message)
}

// Webhook verifies messages in the form of Standard Webhooks (https://www.standardwebhooks.com). Goroutines may share it.
type Webhook struct {
	// Tolerance is the time by which a message may be old or ahead: five minutes. A recorded message must not be of use later.
	Tolerance time.Duration

	keys [][]byte
}

// NewWebhook verifies by one secret, or during a rotation by several (whsec_…).
func NewWebhook(secrets ...string) (*Webhook, error) {
	webhook := &Webhook{Tolerance: 5 * time.Minute}
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
		if err != nil || !strings.HasPrefix(secret, secretPrefix) || len(key) < shortestSecret || len(key) > longestSecret {
			return nil, errors.New("a secret must be whsec_ and 24 to 64 bytes in base64")
		}
		webhook.keys = append(webhook.keys, key)
	}
	if len(webhook.keys) == 0 {
		return nil, errors.New("there is no secret to verify with")
	}
	return webhook, nil
}

// Verify is the message. The body is the request's as it arrived, byte by byte. The error is a *WebhookError.
func (w *Webhook) Verify(header http.Header, body []byte) (*WebhookEvent, error) {
	return w.verifyAt(header, body, time.Now())
}

func (w *Webhook) verifyAt(header http.Header, body []byte, now time.Time) (*WebhookEvent, error) {
	id, timestamp, signature := header.Get("webhook-id"), header.Get("webhook-timestamp"), header.Get("webhook-signature")
	if id == "" || timestamp == "" || signature == "" {
		return nil, &WebhookError{Code: "missing_header"}
	}
	seconds, err := strconv.ParseUint(timestamp, 10, 63)
	if err != nil || len(timestamp) > maxTimestampDigits {
		return nil, &WebhookError{Code: "invalid_timestamp"}
	}
	sentAt := time.Unix(int64(seconds), 0)
	if age := now.Truncate(time.Second).Sub(sentAt); age > w.Tolerance {
		return nil, &WebhookError{Code: "too_old"}
	} else if -age > w.Tolerance {
		return nil, &WebhookError{Code: "too_new"}
	}
	if !w.isSigned(id+"."+timestamp+".", body, signature) {
		return nil, &WebhookError{Code: "no_matching_signature"}
	}
	var message struct {
		Type WebhookType `json:"type"`
	}
	if unmarshalObject(body, &message) != nil {
		return nil, &WebhookError{Code: "invalid_body"}
	}
	return &WebhookEvent{ID: id, SentAt: sentAt, Type: message.Type, Body: body}, nil
}

func (w *Webhook) isSigned(head string, body []byte, header string) bool {
	isSigned := false
	for _, signature := range strings.Split(header, " ") {
		for _, key := range w.keys { // all of them, in constant time
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(head))
			mac.Write(body)
			expected := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
			isSigned = hmac.Equal([]byte(expected), []byte(signature)) || isSigned
		}
	}
	return isSigned
}
