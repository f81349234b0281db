"""Agents and their conversations with language models.

agent, definitions, warmup, variables          what an agent is: as a program writes it, and as a record keeps it
transcript, excerpts, tags                     what was said and seen, as values
observations, workspaces, class_docs           what the model is told of a batch, and of where its code runs
prompts, trimming, chat                        what it is sent, within its budget
replies, collecting                            what it means by what it says
pricing                                        what that costs
providers, requests                            whom a model is asked of, what it is asked, and what comes of it
model, endpoint, connecting, failures          asking it over HTTP; what else is here has no effects
"""
