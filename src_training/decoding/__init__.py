"""Files from elsewhere are decoded in processes that can be killed, with a cap on their memory and a deadline."""

from src_training.decoding.pool import Answer, ask, warm_up

__all__ = ["Answer", "ask", "warm_up"]
