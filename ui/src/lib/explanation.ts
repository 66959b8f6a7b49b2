/** The engine's explanation, read into one kind of node: a sentence, whether it decided, what it rests on. */

export interface Explained {
  sentence: string;
  /** `decided`: its answer was served. `held` and `failed`: a clause that did, or did not. */
  mark: 'decided' | 'passed' | 'held' | 'failed' | 'plain';
  children: Explained[];
}

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const objects = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : []);
const sentenceOf = (value: Json): string => (typeof value.sentence === 'string' ? value.sentence : '');

export function readTree(tree: Json): Explained {
  return { sentence: sentenceOf(tree), mark: 'plain', children: objects(tree.steps).map(readStep) };
}

function readStep(step: Json): Explained {
  const children = objects(step.clauses).map((clause): Explained => ({
    sentence: sentenceOf(clause),
    mark: clause.matched === true ? 'held' : 'failed',
    children: [],
  }));
  if (isObject(step.rollout)) children.push({ sentence: sentenceOf(step.rollout), mark: 'plain', children: [] });
  if (isObject(step.prerequisite)) children.push(readTree(step.prerequisite));
  return { sentence: sentenceOf(step), mark: step.decided === true ? 'decided' : 'passed', children };
}

/** A context to start from: the unit, and one value of each attribute that the flag's rules ask for. */
export function sampleContext(document: Json): Json {
  const context: Json = { targetingKey: 'user-1' };
  if (typeof document.unit === 'string') context[document.unit] = `${document.unit}-1`;
  for (const rule of objects(document.rules)) {
    for (const clause of objects(rule.clauses)) {
      const { attribute, values, operator } = clause;
      if (typeof attribute !== 'string' || attribute in context || String(operator).includes('segment')) continue;
      context[attribute] = Array.isArray(values) ? (values[0] ?? '') : '';
    }
  }
  return context;
}
