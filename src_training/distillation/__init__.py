"""Knowledge from a teacher into a student: one file a method, `objective` composes them."""
