// Predicts an image: go run . HOST:PORT IMAGE [MODEL]
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	lastlayer "example.com/lastlayer/predict/lastlayer/v1"
)

const maxMessageBytes = 32 << 20 // gRPC's own limit of 4 MiB is less than a phone's photo

func predict(server, image, model string) (*lastlayer.LabelScore, error) {
	content, err := os.ReadFile(image)
	if err != nil {
		return nil, err
	}
	connection, err := grpc.NewClient(server,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(maxMessageBytes),
			grpc.MaxCallSendMsgSize(maxMessageBytes),
		),
	)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	answer, err := lastlayer.NewClassifierClient(connection).Predict(ctx, &lastlayer.PredictRequest{
		Model:  model,
		Images: []*lastlayer.Image{{Id: image, Content: content}},
	})
	if err != nil {
		return nil, err
	}
	result := answer.Results[0]
	if failure := result.GetError(); failure != nil {
		return nil, fmt.Errorf("%s: %s", image, failure.Message)
	}
	return result.GetPrediction().Scores[0], nil
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: predict HOST:PORT IMAGE [MODEL]")
		os.Exit(2)
	}
	model := "default"
	if len(os.Args) > 3 {
		model = os.Args[3]
	}
	best, err := predict(os.Args[1], os.Args[2], model)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%s %.4f\n", best.Label, best.Score)
}
