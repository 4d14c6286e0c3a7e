package bursar

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Problem is a refusal by Bursar, as RFC 9457 has it. The same request would be refused again.
type Problem struct {
	// Type is the kind of refusal; "about:blank" where the refusal is not Bursar's.
	Type   ProblemType `json:"type"`
	Title  string      `json:"title"`
	Status int         `json:"status"`
	// Detail is the refusal in a sentence, for people.
	Detail string `json:"detail"`
	// Errors has every field that breaks a rule, where the type is ProblemInvalid.
	Errors []FieldError `json:"errors"`
	// Members has every member of the problem.
	Members map[string]any `json:"-"`
}

func (p *Problem) Error() string {
	return fmt.Sprintf("%s (%d): %s", p.Title, p.Status, p.Detail)
}

// Conflict is a refusal because another job has this key or this business key. Nothing is stored.
type Conflict struct {
	*Problem
	// First is the key of the job that was submitted first.
	First string
	// Fields are those that differ from that job's, where it has this key.
	Fields []string
}

// Unwrap makes errors.As find the Problem.
func (c *Conflict) Unwrap() error {
	return c.Problem
}

// Unavailable means that no reply said the outcome until the deadline. A submitted job may be stored: submit the same job again.
type Unavailable struct {
	// Problem is the last refusal that may be repeated (429, 5xx); nil if the last attempt had no reply.
	Problem *Problem
	// Cause is the last attempt's error, or the context's; nil if there is a Problem.
	Cause error
	text  string
}

func unavailable(method string, problem *Problem, cause error) *Unavailable {
	why := fmt.Sprint(cause)
	if cause == nil {
		why = problem.Error()
	}
	text := "Bursar cannot be read: " + why
	if method == http.MethodPost {
		text = "whether Bursar has the job is unknown, so submit the same job again: " + why
	}
	return &Unavailable{Problem: problem, Cause: cause, text: text}
}

func (u *Unavailable) Error() string {
	return u.text
}

// Unwrap is the cause, and never a Problem: errors.As finds only refusals that are final.
func (u *Unavailable) Unwrap() error {
	return u.Cause
}

// NotSettled means that the job has not ended within the time. It may still be paid: never pay it under another key.
type NotSettled struct {
	// Job is the job as it was read last.
	Job   *Job
	Cause error
}

func (n *NotSettled) Error() string {
	return fmt.Sprintf("%s is still %s", n.Job.PlatformNo, n.Job.State)
}

// Unwrap is the error of the last attempt to read the job; nil if there was none.
func (n *NotSettled) Unwrap() error {
	return n.Cause
}

// problemOf is the problem in a reply; one of the type about:blank where another program than Bursar has replied.
func problemOf(reply *reply) error {
	text := string(reply.body)
	if len(text) > 200 {
		text = text[:200]
	}
	problem := &Problem{}
	if json.Unmarshal(reply.body, problem) != nil || problem.Type == "" {
		problem = &Problem{Type: "about:blank", Title: http.StatusText(reply.status), Detail: text}
	}
	problem.Status = reply.status
	// A reply that is no object has no members.
	_ = json.Unmarshal(reply.body, &problem.Members)
	if problem.Type != ProblemKeyConflict && problem.Type != ProblemBusinessKeyConflict {
		return problem
	}
	conflict := &Conflict{Problem: problem}
	conflict.First, _ = problem.Members["first"].(string)
	fields, _ := problem.Members["fields"].([]any)
	for _, field := range fields {
		if name, isText := field.(string); isText {
			conflict.Fields = append(conflict.Fields, name)
		}
	}
	return conflict
}
