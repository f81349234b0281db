"""Agents and their conversations with language models.

transcript, excerpts     what was said and seen, as values
observations             what came of a batch, told to the model
workspaces, prompts      what the model is sent, within its budget
replies                  what it means by what it says
pricing                  what that costs
providers, requests,     asking a model over HTTP; everything else here is pure
collecting, asking, model
"""
