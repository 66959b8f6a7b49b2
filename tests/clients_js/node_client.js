// OpenFeature's server SDK with its OFREP provider, told what to do by lines of JSON: one request, one answer.

import { createInterface } from "node:readline";
import { OFREPProvider } from "@openfeature/ofrep-provider";
import { OpenFeature } from "@openfeature/server-sdk";

const ask = {
  boolean: (client, ...rest) => client.getBooleanDetails(...rest),
  string: (client, ...rest) => client.getStringDetails(...rest),
  number: (client, ...rest) => client.getNumberDetails(...rest),
  object: (client, ...rest) => client.getObjectDetails(...rest),
};

const verbs = {
  async connect({ domain, baseUrl, headers }) {
    await OpenFeature.setProviderAndWait(domain, new OFREPProvider({ baseUrl, headers }));
    return OpenFeature.getClient(domain).providerStatus;
  },
  details({ domain, type, key, fallback, context }) {
    return ask[type](OpenFeature.getClient(domain), key, fallback, context);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { verb, ...rest } = JSON.parse(line);
  let answer;
  try {
    answer = { value: await verbs[verb](rest) };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
