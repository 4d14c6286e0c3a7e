// Submits one transfer and follows it to its end, whatever is lost on the way.
//
//	BURSAR_URL=http://127.0.0.1:8080 BURSAR_TOKEN=bursar_… go run ./examples/submit ORDER-1
//
// Exit code: 0 paid; 1 refused, failed, or needs review; 2 wrong use; 3 Bursar is out of reach.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	bursar "bursar.example/client"
)

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func seconds(name, otherwise string) time.Duration {
	value, err := strconv.ParseFloat(env(name, otherwise), 64)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s must be a number of seconds\n", name)
		os.Exit(2)
	}
	return time.Duration(value * float64(time.Second))
}

func pay(client *bursar.Client, platformNo string) (bursar.State, error) {
	// Choose the key once and keep it: it identifies this payment in every repetition.
	job := bursar.NewTransferJob("main", platformNo, bursar.TransferBody{
		NodeID:       "00061967",
		TotalAmount:  10, // fen
		PayerStoreNo: "amy99a",
		PayerType:    "1",
		PayeeStoreNo: "amy99b",
		PayeeType:    "2",
		ArriveTime:   "T0",
	})
	accepted, err := client.Submit(context.Background(), job)
	if err != nil {
		return "", err
	}
	fmt.Println(platformNo, "is", accepted.State)
	ended, err := client.Wait(context.Background(), "main", bursar.KindTransfer, platformNo, 10*time.Minute)
	if err != nil {
		return "", err
	}
	return ended.State, nil
}

func main() {
	token := env("BURSAR_TOKEN", "")
	client, err := bursar.New(env("BURSAR_URL", "http://127.0.0.1:8080"), token)
	if len(os.Args) != 2 || token == "" || err != nil {
		fmt.Fprintln(os.Stderr, "usage: BURSAR_URL=… BURSAR_TOKEN=… submit PLATFORM_NO")
		os.Exit(2)
	}
	client.Timeout = seconds("BURSAR_TIMEOUT", "15")
	client.RetryFor = seconds("BURSAR_REPEAT_FOR", "120") // after it, a person must look
	state, err := pay(client, os.Args[1])
	var problem *bursar.Problem
	switch {
	case errors.As(err, &problem):
		fmt.Fprintf(os.Stderr, "refused (%d): %s\n", problem.Status, problem.Detail)
		os.Exit(1)
	case err != nil: // run this again: it is the same payment
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	fmt.Println(os.Args[1], state)
	if state != bursar.StateSucceeded {
		os.Exit(1)
	}
}
