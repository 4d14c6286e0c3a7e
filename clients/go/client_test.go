// The client against a server behind a proxy that loses replies. tests/e2e/sdks.rs starts both, and checks what arrived:
//
//	cargo test -p bursar --test e2e -- sdks::go

package bursar

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

var background = context.Background()

func client(t *testing.T) *Client {
	t.Helper()
	url := os.Getenv("BURSAR_URL")
	if url == "" {
		t.Skip("BURSAR_URL names no server")
	}
	return clientOf(t, url, os.Getenv("BURSAR_TOKEN"), 30*time.Second)
}

func clientOf(t *testing.T, url, token string, retryFor time.Duration) *Client {
	t.Helper()
	client, err := New(url, token)
	if err != nil {
		t.Fatal(err)
	}
	client.Timeout, client.RetryFor = 2*time.Second, retryFor
	return client
}

func equal(t *testing.T, actual, expected any) {
	t.Helper()
	if !reflect.DeepEqual(actual, expected) {
		t.Fatalf("expected %v, and it is %v", expected, actual)
	}
}

func submitted(t *testing.T, job any) string {
	t.Helper()
	accepted, err := client(t).Submit(background, job)
	if err != nil {
		t.Fatal(err)
	}
	return accepted.Outcome
}

func transferOf(key string, amount int64) TransferJob {
	return NewTransferJob("main", key, TransferBody{
		NodeID: "00061967", TotalAmount: amount, PayerStoreNo: "amy99a", PayerType: "1", PayeeStoreNo: "amy99b", PayeeType: "2",
		ArriveTime: "T0",
	})
}

func transfer(key string) TransferJob {
	return transferOf(key, 10)
}

func bill(key string) BillUploadJob {
	goods := BillUploadGoodsDetail{GoodsID: "apple-01", GoodsName: "ipad", Quantity: 1, Price: 200_000, RealPrice: 199_999}
	return NewBillUploadJob("main", key, BillUploadBody{
		NodeID: "100001", OrderAmount: 199, OrderID: key, OrderTime: "20240301131800", StoreID: "20008221", TradeType: "1",
		GoodsDetail: []BillUploadGoodsDetail{goods}, Extra: map[string]any{"remark": "备注"},
	})
}

func split(key string) SplitJob {
	receiver, automatic := int64(800029), int64(0)
	return NewSplitJob("shop", key, SplitBody{
		PayOrderID: key, UseSysAutoDivisionReceivers: &automatic,
		Receivers: []SplitReceiver{{ReceiverID: &receiver, DivisionProfit: "0.0001"}},
	})
}

func withdrawal(key string) WithdrawalJob {
	merchant := int64(1_000_000_001_116)
	return NewWithdrawalJob("main", key, WithdrawalBody{
		MerchantID: &merchant, SsoNodeID: "00061967", AccountSubType: "0", TotalAmount: 110, CardType: "0", Remark: key,
	})
}

func read(t *testing.T, file string, value any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, value); err != nil {
		t.Fatal(err)
	}
}

type vectors struct {
	InvalidSecrets []string `json:"invalid_secrets"`
	Vectors        []struct {
		Name, Expected, Body     string
		Secrets                  []string
		ID, Timestamp, Signature *string
		Now                      int64
	}
}

func TestEveryVectorHasItsResult(t *testing.T) {
	var all vectors
	read(t, "../webhook-vectors.json", &all)
	for _, vector := range all.Vectors {
		header := http.Header{}
		for name, value := range map[string]*string{"id": vector.ID, "timestamp": vector.Timestamp, "signature": vector.Signature} {
			if value != nil {
				header.Set("Webhook-"+name, *value)
			}
		}
		webhook, err := NewWebhook(vector.Secrets...)
		if err != nil {
			t.Fatal(err)
		}
		result := "verified"
		if _, err := webhook.verifyAt(header, []byte(vector.Body), time.Unix(vector.Now, 0)); err != nil {
			result = err.(*WebhookError).Code
		}
		equal(t, vector.Name+": "+result, vector.Name+": "+vector.Expected)
	}
	equal(t, len(all.Vectors) > 30, true)
	for _, secret := range all.InvalidSecrets {
		if _, err := NewWebhook(secret); err == nil {
			t.Fatalf("%q is a secret", secret)
		}
	}
}

func TestAWebhookOfTheServerIsVerified(t *testing.T) {
	client(t)
	var message struct {
		Secrets []string
		Headers map[string]string
		Body    string
	}
	read(t, os.Getenv("BURSAR_WEBHOOK"), &message)
	header := http.Header{}
	for name, value := range message.Headers {
		header.Set(name, value)
	}
	webhook, err := NewWebhook(message.Secrets...)
	if err != nil {
		t.Fatal(err)
	}
	event, err := webhook.Verify(header, []byte(message.Body))
	if err != nil {
		t.Fatal(err)
	}
	job, err := event.Job()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []string{string(event.Type), job.Data.PlatformNo}, []string{"job.succeeded", "HOOK-1"})
}

func TestAJobOfEachKindIsAcceptedAndFollowed(t *testing.T) {
	jobs := []struct {
		account string
		kind    Kind
		key     string
		job     any
	}{
		{"main", KindTransfer, "KIND-TRANSFER", transfer("KIND-TRANSFER")},
		{"main", KindBillUpload, "KIND-BILL", bill("KIND-BILL")},
		{"shop", KindSplit, "KIND-SPLIT", split("KIND-SPLIT")},
		{"main", KindWithdrawal, "KIND-WITHDRAWAL", withdrawal("KIND-WITHDRAWAL")},
	}
	for _, job := range jobs {
		equal(t, submitted(t, job.job), "new")
	}
	for _, job := range jobs[:3] { // a withdrawal cannot be queried: an operator ends it
		ended, err := client(t).Wait(background, job.account, job.kind, job.key, 30*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, ended.State, StateSucceeded)
	}
}

func TestALostReplyIsRepeatedUntilTheJobIsKnown(t *testing.T) {
	for _, key := range []string{"LOST-1", "CUT-1", "HANG-1"} {
		equal(t, submitted(t, transfer(key)), "existing")
	}
	job, err := client(t).Get(background, "main", KindTransfer, "LOST-1")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, job.PlatformNo, "LOST-1")
}

func TestWhatCannotBeTakenNowIsRepeated(t *testing.T) {
	for _, key := range []string{"DOWN-1", "RATE-1", "PAGE-1"} {
		equal(t, submitted(t, transfer(key)), "new")
	}
}

func TestRepeatingEndsAtTheDeadline(t *testing.T) {
	hasty := client(t)
	hasty.RetryFor = time.Second
	_, err := hasty.Submit(background, transfer("GONE-1"))
	var unavailable *Unavailable
	var problem *Problem
	equal(t, errors.As(err, &unavailable) && !errors.As(err, &problem), true)
	equal(t, []any{unavailable.Problem.Status, unavailable.Problem.Type}, []any{502, ProblemType("about:blank")})
	_, err = clientOf(t, "http://127.0.0.1:1", "", 500*time.Millisecond).Submit(background, transfer("GONE-1"))
	equal(t, errors.As(err, &unavailable) && unavailable.Problem == nil, true)

	stopped, stop := context.WithCancel(background)
	stop()
	_, err = client(t).Submit(stopped, transfer("GONE-1"))
	equal(t, errors.As(err, &unavailable) && errors.Is(err, context.Canceled), true)
}

func TestTheSameJobIsAcceptedAgain(t *testing.T) {
	equal(t, submitted(t, transfer("TWICE-1")), "new")
	equal(t, submitted(t, transfer("TWICE-1")), "existing")
}

func TestAConflictNamesTheFirstJob(t *testing.T) {
	submitted(t, transfer("FIRST-1"))
	_, err := client(t).Submit(background, transferOf("FIRST-1", 11))
	var conflict *Conflict
	var problem *Problem
	equal(t, errors.As(err, &conflict) && errors.As(err, &problem), true)
	equal(t, []any{conflict.First, problem.Status, problem.Type}, []any{"FIRST-1", 409, ProblemKeyConflict})
	equal(t, conflict.Fields, []string{"total_amount"})
	equal(t, strings.Contains(problem.Detail, "FIRST-1"), true)
}

func TestAnInvalidJobNamesEachField(t *testing.T) {
	_, err := client(t).Submit(background, transferOf("INVALID 1", -1))
	var problem *Problem
	equal(t, errors.As(err, &problem), true)
	equal(t, []any{problem.Status, problem.Type}, []any{422, ProblemInvalid})
	fields := map[string]bool{}
	for _, wrong := range problem.Errors {
		fields[wrong.Field] = true
	}
	equal(t, fields, map[string]bool{"platform_no": true, "body.total_amount": true})
}

func TestOtherRefusalsAreProblems(t *testing.T) {
	client(t)
	stranger := clientOf(t, os.Getenv("BURSAR_URL"), "wrong", 30*time.Second)
	_, err := stranger.Submit(background, transfer("TOKEN-1"))
	var problem *Problem
	equal(t, errors.As(err, &problem), true)
	equal(t, []any{problem.Status, problem.Type}, []any{401, ProblemUnauthenticated})
	_, err = client(t).Get(background, "main", KindTransfer, "MISSING-1")
	equal(t, errors.As(err, &problem), true)
	equal(t, []any{problem.Status, problem.Type}, []any{404, ProblemNotFound})
}

func TestABatchHasAnOutcomeForEachJob(t *testing.T) {
	submitted(t, transfer("BATCH-1"))
	jobs := []any{transfer("BATCH-1"), transferOf("BATCH-1", 11), transfer("BATCH 3"), transfer("BATCH-2")}
	outcomes, err := client(t).Batch(background, jobs)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	var statuses []int64
	for _, one := range outcomes.Jobs {
		words, statuses = append(words, one.Outcome), append(statuses, one.Status)
	}
	equal(t, words, []string{"existing", "conflict", "invalid", "new"})
	equal(t, statuses, []int64{200, 409, 422, 201})
	equal(t, outcomes.Jobs[2].Errors[0].Field, "platform_no")
}

func TestAWaitEndsWithTheJobAsItIs(t *testing.T) {
	job := transfer("LATER-1")
	tomorrow := time.Now().Add(24 * time.Hour).Format(time.RFC3339)
	job.RunAt = tomorrow
	submitted(t, job)
	_, err := client(t).Wait(background, "main", KindTransfer, "LATER-1", 1200*time.Millisecond)
	var open *NotSettled
	equal(t, errors.As(err, &open), true)
	equal(t, open.Job.State, StateQueued)
}

func TestAKeyMayHaveAnyCharacters(t *testing.T) {
	key := "ODD-/?#%41+&=:@"
	submitted(t, transfer(key))
	job, err := client(t).Get(background, "main", KindTransfer, key)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, job.PlatformNo, key)
}
