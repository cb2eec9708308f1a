"""Topics: are generated documents about what they were generated for? A classifier says, that never saw the model."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.likelihood import another
from gde.evaluate.shared.metrics import mean_interval, record
from gde.sets.types.alphabet import ALPHABETS

FEATURES = 30_000  # n-grams of characters at most
TEXT = ALPHABETS["text"]


@dataclass
class TopicClassifier:
    """Logistic regression on weighted n-grams of 2 to 4 characters inside words: also of words that do not exist."""

    vectors: Any
    distribution: Any

    @classmethod
    def fit(cls, topics: list[np.ndarray]) -> "TopicClassifier":
        """Learn from real documents of each topic, tokens (n, L); topics weigh alike."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        texts = [text for x in topics for text in TEXT.decode(x)]
        label = np.repeat(np.arange(len(topics)), [len(x) for x in topics])
        vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), max_features=FEATURES, sublinear_tf=True)
        distribution = LogisticRegression(C=10.0, max_iter=300, class_weight="balanced")
        return cls(vectors, distribution.fit(vectors.fit_transform(texts), label))

    def predict(self, tokens: np.ndarray) -> np.ndarray:
        """The topic (n,) that each document of tokens (n, L) is about most likely."""
        return self.distribution.predict(self.vectors.transform(TEXT.decode(tokens)))


def topic_metrics(ctx: Context, made: list[np.ndarray], truth: list[np.ndarray], names: np.ndarray) -> Results:
    """Records and table of held topics, `made` (n, L) being what was generated for each and `truth` its held-out
    documents; of topics with two of these or more.

    topics/classifier : accuracy of a classifier of held-out documents, of which it learns one half and is asked about
    the other, and the other way round: so it knows no document that the model has seen.   topics/generated : the share
    of generated documents that it takes for their topic; to be compared with that. Topics count alike. A document of
    several topics is right only once, so neither can reach 1 where topics share documents.
    """
    several = [i for i, x in enumerate(truth) if len(x) > 1]
    if len(several) < len(truth):
        why = f"{len(several)} of {len(truth)} topics with two held-out documents, a classifier needs two such topics"
        ctx.leave_out("topics/classifier", why)
        ctx.leave_out("topics/generated", why)
    if len(several) < 2:
        return {}, {}
    made, truth, names = [made[i] for i in several], [truth[i] for i in several], names[several]
    halves = [(x[: len(x) // 2], x[len(x) // 2 :]) for x in truth]
    real, ours = [[] for _ in truth], [[] for _ in truth]
    for learnt in (0, 1):
        classifier = TopicClassifier.fit([half[learnt] for half in halves])
        for i, (half, x) in enumerate(zip(halves, made, strict=True)):
            real[i].append(classifier.predict(half[1 - learnt]))
            ours[i].append(classifier.predict(x))
    real, ours = ([np.concatenate(said) for said in side] for side in (real, ours))
    right = {
        who: np.array([(p == i).mean() for i, p in enumerate(said)]) for who, said in (("real", real), ("ours", ours))
    }
    commonest = int(np.argmax([len(x) for x in truth]))
    other = another(len(truth), ctx.rng)
    for_another = np.mean([(ours[o] == i).mean() for i, o in enumerate(other)])
    chance = 1 / len(truth)

    def interval(values: np.ndarray) -> tuple[float, float]:
        return mean_interval(values, ctx.rng, repeats=ctx.repeats)

    metrics = {
        "topics/classifier": record(
            right["real"].mean(), n=len(truth), higher_is_better=True, chance=chance,
            ci=interval(right["real"]), baselines={"commonest": np.mean(np.arange(len(truth)) == commonest)},
        ),
        "topics/generated": record(
            right["ours"].mean(), n=len(truth), higher_is_better=True, chance=chance, ceiling=right["real"].mean(),
            ci=interval(right["ours"]), baselines={"other_set": for_another},
        ),
    }  # fmt: skip
    table = pd.DataFrame(
        {"label": names, "real [share recognised]": right["real"], "generated [share recognised]": right["ours"]}
    )
    return metrics, {"topics": table}
