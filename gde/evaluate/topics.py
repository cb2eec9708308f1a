"""Are generated documents about what they were generated for? A classifier says, that never saw the model."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gde.evaluate.likelihood import another
from gde.evaluate.metrics import bootstrap, record
from gde.evaluate.sequence_scores import read_rows
from gde.sets.alphabet import ALPHABETS

FEATURES = 30_000  # n-grams of letters at most
TEXT = ALPHABETS["text"]


@dataclass
class TopicClassifier:
    """Logistic regression on weighted n-grams of 2 to 4 letters inside words: also of words that do not exist."""

    vectors: Any
    law: Any

    @classmethod
    def fit(cls, topics: list[np.ndarray]) -> "TopicClassifier":
        """Learn from real training documents of each topic, tokens (n, L); topics weigh alike."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        texts = [text for x in topics for text in TEXT.decode(x)]
        label = np.repeat(np.arange(len(topics)), [len(x) for x in topics])
        vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), max_features=FEATURES, sublinear_tf=True)
        law = LogisticRegression(C=10.0, max_iter=300, class_weight="balanced")
        return cls(vectors, law.fit(vectors.fit_transform(texts), label))

    def predict(self, tokens: np.ndarray) -> np.ndarray:
        """The topic (n,) that each document of tokens (n, L) is about most likely."""
        return self.law.predict(self.vectors.transform(TEXT.decode(tokens)))


def topic_metrics(
    store: Any, held: list, made: list[np.ndarray], training: list[np.ndarray], names: np.ndarray, rng, repeats: int
) -> tuple[dict[str, dict], pd.DataFrame]:
    """Records and table of held topics, `made` (n, L) being what was generated for each and `training` real documents
    of each that the classifier learns from.

    topics/classifier : its accuracy on real held-out documents.   topics/generated : the share of generated documents
    that it takes for their topic; to be compared with that. Topics count alike. A document of several topics is right
    only once, so neither can reach 1 where topics share documents.
    """
    classifier = TopicClassifier.fit(training)
    real = [classifier.predict(read_rows(store, h.target)[0]) for h in held]
    ours = [classifier.predict(x) for x in made]
    right = {
        who: np.array([(p == i).mean() for i, p in enumerate(said)]) for who, said in (("real", real), ("ours", ours))
    }
    size = [len(x) for x in training]
    commonest = int(np.argmax(size))
    other = another(len(held), rng)
    for_another = np.mean([(ours[o] == i).mean() for i, o in enumerate(other)])
    chance = 1 / len(held)

    def interval(values: np.ndarray) -> tuple[float, float]:
        return bootstrap(lambda i: values[i].mean(), len(values), rng, repeats=repeats)

    metrics = {
        "topics/classifier": record(
            right["real"].mean(), n=len(held), higher_is_better=True, chance=chance, ceiling=1.0,
            ci=interval(right["real"]), baselines={"commonest": np.mean(np.arange(len(held)) == commonest)},
        ),
        "topics/generated": record(
            right["ours"].mean(), n=len(held), higher_is_better=True, chance=chance, ceiling=right["real"].mean(),
            ci=interval(right["ours"]), baselines={"other_set": for_another},
        ),
    }  # fmt: skip
    table = pd.DataFrame(
        {"label": names, "real [share recognised]": right["real"], "generated [share recognised]": right["ours"]}
    )
    return metrics, table
