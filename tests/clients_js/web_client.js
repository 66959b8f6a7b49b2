// OpenFeature's web SDK with its OFREP provider in a page; `window.flags` is what the tests call.

import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { OpenFeature, ProviderEvents } from "@openfeature/web-sdk";

const heard = [];
const ask = {
  boolean: (client, ...rest) => client.getBooleanDetails(...rest),
  string: (client, ...rest) => client.getStringDetails(...rest),
  number: (client, ...rest) => client.getNumberDetails(...rest),
  object: (client, ...rest) => client.getObjectDetails(...rest),
};
for (const each of Object.values(ProviderEvents)) {
  OpenFeature.addHandler(each, (details) => heard.push({ event: each, ...details }));
}

window.flags = {
  events: () => heard,
  async connect(options, context) {
    await OpenFeature.setContext(context);
    try {
      await OpenFeature.setProviderAndWait(new OFREPWebProvider(options));
    } catch (error) {
      return { status: OpenFeature.getClient().providerStatus, error: String(error) };
    }
    return { status: OpenFeature.getClient().providerStatus };
  },
  status: () => OpenFeature.getClient().providerStatus,
  details: (type, key, fallback) => ask[type](OpenFeature.getClient(), key, fallback),
  setContext: (context) => OpenFeature.setContext(context),
  close: () => OpenFeature.close(),
};
