"""RL4CO's pointer network and attention model, on tours of given points.

`work` is one update by REINFORCE (the tours' mean length as its baseline), one update by given
tours, or tours found greedily or with a beam. The networks are its own, of the sizes asked for.
"""

import warnings
from typing import Any

import torch
from serve import Arrays, Prepared, serve

warnings.filterwarnings("ignore")

from rl4co.envs import TSPEnv  # noqa: E402
from rl4co.models.zoo.am import AttentionModelPolicy  # noqa: E402
from rl4co.models.zoo.ptrnet import PointerNetworkPolicy  # noqa: E402
from tensordict import TensorDict  # noqa: E402


def prepare(options: dict[str, Any], arrays: Arrays) -> Prepared:
    """`arrays`: points (batch, points, 2) and tours (batch, points)."""
    torch.set_num_threads(options["threads"])
    torch.manual_seed(0)
    points, tours = torch.from_numpy(arrays["points"]), torch.from_numpy(arrays["tours"])
    env = TSPEnv(generator_params={"num_loc": points.shape[1]}, check_solution=False)
    recurrent, size = options["model"] == "recurrent", options["size"]
    if recurrent:
        policy: Any = PointerNetworkPolicy(embed_dim=size, hidden_dim=size)
    else:
        policy = AttentionModelPolicy(embed_dim=size, num_heads=8, feedforward_hidden=4 * size)
    optimiser = torch.optim.Adam(policy.parameters(), lr=1e-4)
    given = {"eval_tours" if recurrent else "actions": tours}

    def start() -> TensorDict:
        return env.reset(TensorDict({"locs": points}, batch_size=[len(points)]))

    def update(loss: torch.Tensor) -> Arrays:
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        return {"loss": loss.detach().numpy()}

    def rewards() -> Arrays:
        found = policy(start(), env, phase="train")
        reward, likelihood = found["reward"], found["log_likelihood"]
        return update(-((reward - reward.mean()).detach() * likelihood).mean())

    def labels() -> Arrays:
        return update(-policy(start(), env, phase="train", **given)["log_likelihood"].mean())

    @torch.inference_mode()
    def answered(**how: Any) -> Arrays:
        return {"tours": policy(start(), env, phase="test", **how)["actions"].numpy()}

    works = {
        "rewards": rewards,
        "labels": labels,
        "greedy": lambda: answered(decode_type="greedy"),
        "beam of 5": lambda: answered(decode_type="beam_search", beam_width=5),
    }
    return works[options["work"]], 0.0


if __name__ == "__main__":
    serve(prepare)
