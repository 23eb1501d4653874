// Predicts an image: node predict.js HOST:PORT IMAGE [MODEL]
const fs = require("fs");
const path = require("path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");
const { getProtoPath } = require("google-proto-files");

const definition = loader.loadSync("lastlayer/v1/classifier.proto", {
  includeDirs: [path.join(__dirname, "../../protos"), getProtoPath("..")], // the latter has google/rpc/status.proto
  keepCase: true,
});
const { Classifier } = grpc.loadPackageDefinition(definition).lastlayer.v1;

const [server, image, model = "default"] = process.argv.slice(2);
const limit = 32 * 1024 * 1024; // gRPC's own limit of 4 MiB is less than a phone's photo
const client = new Classifier(server, grpc.credentials.createInsecure(), {
  "grpc.max_receive_message_length": limit,
  "grpc.max_send_message_length": limit,
});
const request = { model, images: [{ id: image, content: fs.readFileSync(image) }] };
client.Predict(request, { deadline: Date.now() + 60_000 }, (error, answer) => {
  client.close();
  if (error) {
    console.error(error.details);
    process.exitCode = 1;
    return;
  }
  const [result] = answer.results;
  if (result.error) {
    console.error(`${result.id}: ${result.error.message}`);
    process.exitCode = 1;
    return;
  }
  const [best] = result.prediction.scores;
  console.log(`${best.label} ${best.score.toFixed(4)}`);
});
